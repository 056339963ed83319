/** A server with the CORS plugin and a route for each kind of answer. */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import cors, { type CorsOptions } from '../../plugins/cors.js'
import errors from '../../plugins/errors.js'
import { RateLimitedError, UnauthenticatedError } from '../../src/errors.js'
import { logSink } from './log-sink.js'

export const app1 = 'https://app.example.com'
export const evil = 'https://evil.example'

export interface Built { app: FastifyInstance, ran: string[], log: ReturnType<typeof logSink> }

export async function build (t: Test, options: CorsOptions): Promise<Built> {
  const log = logSink()
  const app = Fastify({ logger: { stream: log } })
  t.teardown(() => app.close())
  const ran: string[] = []
  await app.register(errors)
  await app.register(cors, options)
  app.addHook('onRequest', async request => { ran.push(`${request.method} ${request.url}`) })
  routes(app)
  return { app, ran, log }
}

export function routes (app: FastifyInstance): void {
  app.get('/', async () => ({ fine: true }))
  app.get('/open', { config: { public: true } }, async () => ({ fine: true }))
  app.get('/401', async () => { throw new UnauthenticatedError() })
  app.get('/429', async () => { throw new RateLimitedError() })
  app.get('/500', async () => { throw new Error('x') })
  app.route({ method: ['POST', 'OPTIONS'], url: '/mcp', handler: async () => ({ fine: true }) })
}

export const preflight = (origin: string): Record<string, string> => ({
  origin,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'x-api-key'
})
export const grants = (headers: Record<string, unknown>): string[] =>
  Object.keys(headers).filter(name => name.startsWith('access-control-'))
