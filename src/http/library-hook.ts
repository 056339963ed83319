/** Takes the `onRequest` hook of a library without registering anything else of it. */
import type {
  FastifyInstance, FastifyPluginAsync, FastifyPluginCallback, FastifyReply, FastifyRequest, onRequestHookHandler
} from 'fastify'

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

/**
 * The `onRequest` hook that `library` would add. Its decorators would collide with those of a host that registers
 * the same library, and the `OPTIONS *` route of `@fastify/cors` would answer the preflights of the host's routes.
 * Its other hooks are added. Throws where it adds no `onRequest` hook in the call itself: without one a check would
 * be missing, or every browser would wait for ever.
 */
export function hookOf<Options extends object> (
  name: string,
  library: FastifyPluginCallback<Options> | FastifyPluginAsync<Options>,
  fastify: FastifyInstance,
  options: Options
): Hook {
  const hooks: onRequestHookHandler[] = []
  const quiet: FastifyInstance = Object.create(fastify, {
    decorate: { value: () => quiet },
    decorateRequest: { value: () => quiet },
    options: { value: () => quiet },
    addHook: {
      value: (hook: string, added: onRequestHookHandler) => {
        if (hook === 'onRequest') hooks.push(added)
        else fastify.addHook(hook as 'onRequest', added)
      }
    }
  })
  // Both kinds of plugin are functions that are called with these three. One that fails has added no hook.
  const outcome: unknown = (library as FastifyPluginCallback<Options>)(quiet, options, () => {})
  Promise.resolve(outcome).catch(() => {})
  const [hook] = hooks
  if (hook === undefined) throw new Error(`This release of \`${name}\` adds no \`onRequest\` hook`)
  return (request, reply, done) => { hook.call(fastify, request, reply, done) }
}
