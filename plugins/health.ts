/** `/health` and `/ready`: public, for load balancers and people. The one says that the process answers, the other whether it should be called. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { MethodNotAllowedError } from '../src/errors.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Asked again and again by machines: a good answer is logged at `debug` alone. Default false. */
    probe?: boolean
  }
}

export interface HealthOptions {
  /** Default `/health`. */
  readonly path?: string
  /** Default `/ready`. */
  readonly readyPath?: string
  /** What stands in the way of serving well; the answer tells only that something does. Default nothing ever does. */
  readonly problems?: () => readonly string[]
}

const health: FastifyPluginAsync<HealthOptions> = async (fastify, { path = '/health', readyPath = '/ready', problems = () => [] }) => {
  const config = { public: true, probe: true }
  let isClosing = false
  fastify.addHook('preClose', async () => { isClosing = true })

  fastify.get(path, { config }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return { status: 'ok', timestamp: new Date().toISOString() }
  })

  fastify.get(readyPath, { config }, async (_request, reply) => {
    const isReady = !isClosing && problems().length === 0
    reply.header('cache-control', 'no-store').code(isReady ? 200 : 503)
    return { status: isReady ? 'ready' : 'not ready' }
  })
  for (const url of [path, readyPath]) refuseOthers(fastify, url)
}

/** Other methods of a path that anybody may ask: no unknown path, so no failure of an address. */
function refuseOthers (fastify: FastifyInstance, url: string): void {
  fastify.route({
    method: ['POST', 'PUT', 'PATCH', 'DELETE'],
    url,
    config: { public: true },
    // Before the body of a stranger is read.
    onRequest: async () => { throw new MethodNotAllowedError({ headers: { allow: 'GET, HEAD' } }) },
    handler: async () => {}
  })
}

export default fp(health, { name: 'mcp-health', fastify: '5.x' })
