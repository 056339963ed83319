/** `/health` says that the process answers, `/ready` whether it should be called. Both are public. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { MethodNotAllowedError } from '../src/errors.js'
import { type Problem, readinessOf } from '../src/http/readiness.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Asked again and again by machines: a good answer is logged at `debug` alone. Default false. */
    probe?: boolean
  }
  interface FastifyInstance {
    /** `/ready` says 503 from now on, for the reason `stopping`, while everything is served as before. */
    announceStop: () => void
  }
}

export interface HealthOptions {
  /** Default `/health`. */
  readonly path?: string
  /** Default `/ready`. */
  readonly readyPath?: string
  /** What stands in the way of serving well, asked for each answer. Default nothing ever does. */
  readonly problems?: () => readonly Problem[]
}

const health: FastifyPluginAsync<HealthOptions> = async (fastify, options) => {
  const { path = '/health', readyPath = '/ready', problems = () => [] } = options
  const config = { public: true, probe: true }
  let isStopping = false
  const announceStop = (): void => { isStopping = true }
  if (!fastify.hasDecorator('announceStop')) fastify.decorate('announceStop', announceStop)
  fastify.addHook('preClose', async () => { announceStop() })

  fastify.get(path, { config }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return { status: 'ok', timestamp: new Date().toISOString() }
  })

  fastify.get(readyPath, { config }, async (_request, reply) => {
    const readiness = readinessOf(isStopping ? [{ reason: 'stopping', isFatal: true }, ...problems()] : problems())
    reply.header('cache-control', 'no-store').code(readiness.status === 'not ready' ? 503 : 200)
    return readiness
  })
  for (const url of [path, readyPath]) refuseOthers(fastify, url)
}

/** The path is known, so another method is no failure of an address. */
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
