/**
 * Adds MCP to an existing app with ten plugins, browser sessions and JWTs. Two of its routes become tools.
 * `npx tsx examples/existing-app.ts`
 */
import { createHash, randomBytes } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import compress from '@fastify/compress'
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import sensible from '@fastify/sensible'
import session from '@fastify/session'
import swagger from '@fastify/swagger'
import underPressure from '@fastify/under-pressure'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
// In your project: from 'fastify-mcp-auth/plugins/routes'
import routes from '../plugins/routes.js'
// In your project: from 'fastify-mcp-auth'
import { mcpAuth, type VerifyKey } from '../src/index.js'

declare module 'fastify' {
  interface Session { user?: string }
  interface FastifyRequest { customer: string | null }
}

interface Order { readonly id: number, readonly customer: string, readonly item: string, readonly count: number }

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

export interface ShopSettings {
  /** The secret that signs sessions and tokens; at least 32 bytes. */
  readonly secret: string
  /** Passwords and API keys of customers, by name. The app stores only digests. */
  readonly customers: Readonly<Record<string, { readonly password: string, readonly key: string }>>
}

export async function buildExistingApp ({ secret, customers }: ShopSettings): Promise<FastifyInstance> {
  const people = new Map(Object.entries(customers).map(([name, { password, key }]) =>
    [name, { password: digestOf(password), key: digestOf(key) }]
  ))
  const orders: Order[] = []

  const app = Fastify()
  await app.register(sensible)
  await app.register(helmet)
  await app.register(cors, { origin: 'https://shop.example', credentials: true })
  await app.register(rateLimit, { max: 1000, timeWindow: '1 minute' })
  await app.register(underPressure, { maxEventLoopDelay: 60_000 })
  await app.register(compress)
  await app.register(cookie)
  await app.register(session, { secret, cookie: { secure: false } })
  await app.register(jwt, { secret })
  await app.register(swagger, { openapi: { info: { title: 'Shop', version: '1.0.0' } } })

  // New: must come before the routes that become tools.
  await app.register(routes)

  app.decorateRequest('customer', null)
  async function authenticate (request: FastifyRequest): Promise<void> {
    // New: a tool calls its route on behalf of its caller, without a cookie or token.
    const { principal } = request.mcp
    if (principal !== null) {
      request.customer = principal.id
      return
    }
    if (request.session.user !== undefined) {
      request.customer = request.session.user
      return
    }
    request.customer = (await request.jwtVerify<{ sub: string }>()).sub
  }

  app.post<{ Body: { name: string, password: string } }>('/login', {
    schema: {
      body: {
        type: 'object',
        required: ['name', 'password'],
        properties: { name: { type: 'string' }, password: { type: 'string' } }
      }
    }
  }, async ({ body: { name, password }, session }, reply) => {
    if (people.get(name)?.password !== digestOf(password)) throw app.httpErrors.unauthorized('Wrong name or password')
    session.user = name
    return await reply.send({ token: app.jwt.sign({ sub: name }, { expiresIn: '1h' }) })
  })

  await app.register(async scope => {
    scope.addHook('onRequest', authenticate)

    scope.get<{ Params: { id: number } }>('/orders/:id', {
      // New: the route is also a tool.
      config: { mcp: { name: 'get-order', description: 'One of your orders, by its number.' } },
      schema: { params: { type: 'object', properties: { id: { type: 'integer', minimum: 1 } } } }
    }, async ({ params: { id }, customer }) => {
      const order = orders.find(order => order.id === id && order.customer === customer)
      if (order === undefined) throw app.httpErrors.notFound('You have no such order')
      return order
    })

    scope.post<{ Body: { item: string, count: number } }>('/orders', {
      config: { mcp: { name: 'place-order', description: 'Orders an item.', rate: { max: 10, windowMs: 60_000 } } },
      schema: {
        body: {
          type: 'object',
          required: ['item'],
          properties: {
            item: { type: 'string', minLength: 1 },
            count: { type: 'integer', minimum: 1, maximum: 100, default: 1 }
          }
        }
      }
    }, async ({ body: { item, count }, customer }, reply) => {
      const order = { id: orders.length + 1, customer: customer ?? '', item, count }
      orders.push(order)
      return await reply.code(201).send(order)
    })

    // Not a tool, because it has no `config.mcp`.
    scope.get('/export', async () => orders)
  })

  // New: the endpoint, for customers with a key of this app.
  const verifyKey: VerifyKey = (_key, { digest }) => {
    const found = [...people].find(([, { key }]) => key === digest)
    return found === undefined ? null : { id: found[0], keyId: digest.slice(0, 8) }
  }
  await app.register(mcpAuth, {
    verifyKey,
    // The endpoint has its own limits, and stays out of the documentation of the other routes.
    routeOptions: { config: { rateLimit: false }, schema: { hide: true } }
  })

  return app
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [secret, password, key] = [32, 12, 24].map(bytes => randomBytes(bytes).toString('base64url'))
  const app = await buildExistingApp({
    secret: String(secret),
    customers: { ada: { password: String(password), key: String(key) } }
  })
  const address = await app.listen({ port: 3000 })
  console.log(`${address}/login takes ada and ${String(password)}; ${address}/mcp takes x-api-key: ${String(key)}`)
}
