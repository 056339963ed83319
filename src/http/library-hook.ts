/** Extracts the `onRequest` hook of a library plugin without registering the plugin. */
import type {
  FastifyInstance, FastifyPluginAsync, FastifyPluginCallback, FastifyReply, FastifyRequest, onRequestHookHandler
} from 'fastify'

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

/**
 * Returns the `onRequest` hook that `library` would add. Registering the plugin is not possible: its
 * decorators would collide if the host registers it as well, and the `OPTIONS *` route of `@fastify/cors`
 * would answer preflights for the host's routes. Its other hooks are added. Throws if the library does not
 * add an `onRequest` hook synchronously: without the hook, a check would be missing, or browsers would wait
 * for ever.
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
  // Plugins with and without a callback accept these three arguments. A plugin that fails has added no hook.
  const outcome: unknown = (library as FastifyPluginCallback<Options>)(quiet, options, () => {})
  Promise.resolve(outcome).catch(() => {})
  const [hook] = hooks
  if (hook === undefined) throw new Error(`This release of \`${name}\` adds no \`onRequest\` hook`)
  return (request, reply, done) => { hook.call(fastify, request, reply, done) }
}
