/** `/health` and `/ready`, for probes and load balancers. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { MethodNotAllowedError } from '../src/errors.js'
import { type ReadinessProblem, readinessOf } from '../src/http/readiness.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Polled by machines: successful answers are logged only at `debug`. Default false. */
    probe?: boolean
  }
  interface FastifyInstance {
    /** From now on `/ready` answers 503 with the reason `stopping`; everything else is still served. */
    announceStop: () => void
  }
}

export interface HealthOptions {
  /** Default `/health`. */
  readonly path?: string
  /** Default `/ready`. */
  readonly readyPath?: string
  /** Called for each answer: the problems that limit the service. Default: none. */
  readonly problems?: () => readonly ReadinessProblem[]
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

/** The path exists, so another method does not count against the address. */
function refuseOthers (fastify: FastifyInstance, url: string): void {
  fastify.route({
    method: ['POST', 'PUT', 'PATCH', 'DELETE'],
    url,
    config: { public: true },
    // Refused before the body of an unauthenticated caller is read.
    onRequest: async () => { throw new MethodNotAllowedError({ headers: { allow: 'GET, HEAD' } }) },
    handler: async () => {}
  })
}

/**
 * Serves `/health` (the process answers) and `/ready` (it should get traffic, with reasons). Both are public.
 *
 * @example
 * await app.register(health, { problems: () => disk.isFull ? [{ reason: 'state' }] : [] })
 */
export default fp(health, { name: 'mcp-health', fastify: '5.x' })
