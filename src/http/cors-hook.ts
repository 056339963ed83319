/** The hook of a CORS library, without all else that it registers. */
import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

/**
 * The `onRequest` hook that `library` would add. Its decorator would collide with a host's
 * registration, and its `OPTIONS *` route would answer the preflights of the host's own routes.
 * Throws where it adds none: every request of a browser would wait for ever.
 */
export function hookOf<Options extends object> (library: FastifyPluginCallback<Options>, fastify: FastifyInstance, options: Options): Hook {
  const hooks: onRequestHookHandler[] = []
  const quiet: FastifyInstance = Object.create(fastify, {
    decorateRequest: { value: () => quiet },
    options: { value: () => quiet },
    addHook: { value: (name: string, added: onRequestHookHandler) => { if (name === 'onRequest') hooks.push(added) } }
  })
  library(quiet, options, () => {})
  const [hook] = hooks
  if (hook === undefined) throw new Error('This release of `@fastify/cors` adds no `onRequest` hook, which `cors` stands on')
  return (request, reply, done) => { hook.call(fastify, request, reply, done) }
}
