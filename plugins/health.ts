/** `/health`: the one public route, for load balancers and people. It says that the process answers, no more. */
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

export interface HealthOptions {
  /** Default `/health`. */
  readonly path?: string
}

const health: FastifyPluginAsync<HealthOptions> = async (fastify, { path = '/health' }) => {
  fastify.get(path, { config: { public: true } }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return { status: 'ok', timestamp: new Date().toISOString() }
  })
}

export default fp(health, { name: 'mcp-health', fastify: '5.x' })
