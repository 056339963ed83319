/**
 * Two ways to add MCP to your own Fastify app.
 * `PARTNER_KEYS=$(openssl rand -hex 32) STAFF_SECRET=$(openssl rand -hex 32) npx tsx examples/embed.ts`
 */
import { pathToFileURL } from 'node:url'
import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
// In your project: from 'fastify-mcp-auth/plugins/auth', and so on
import auth from '../plugins/auth.js'
import cors from '../plugins/cors.js'
import errors from '../plugins/errors.js'
import mcp from '../plugins/mcp.js'
import preauthLimit from '../plugins/preauth-limit.js'
import principalLimit from '../plugins/principal-limit.js'
// In your project: from 'fastify-mcp-auth'
import { defineTool, mcpAuth } from '../src/index.js'

const prices = new Map([['apple', 30], ['pear', 45]])

export const price = defineTool({
  name: 'price',
  title: 'Price of a fruit',
  annotations: { readOnlyHint: true, destructiveHint: false, openWorldHint: false },
  description: 'What a fruit costs, in cents.',
  input: z.object({ fruit: z.string() }),
  handler: ({ fruit }) => String(prices.get(fruit) ?? 'not for sale')
})

export const reprice = defineTool({
  name: 'reprice',
  title: 'Change a price',
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
  description: 'Changes what a fruit costs.',
  input: z.object({ fruit: z.string(), cents: z.number().int().positive() }),
  access: { roles: ['admin'] },
  handler: ({ fruit, cents }) => {
    prices.set(fruit, cents)
    return `${fruit} is at ${cents}`
  }
})

export interface ShopOptions {
  /** The API keys that partners send as `x-api-key`. */
  readonly partnerKeys: readonly string[]
  /** The secret that signs the tokens of the staff; at least 32 bytes. */
  readonly staffSecret: string
}

export async function buildShop ({ partnerKeys, staffSecret }: ShopOptions): Promise<FastifyInstance> {
  const app = Fastify()

  // Your own routes are not affected: no credential, no limit, your own errors.
  app.get('/', async () => ({ fruits: [...prices.keys()] }))

  // The whole chain, under a prefix: POST /partners/mcp
  await app.register(mcpAuth, { prefix: '/partners', apiKeys: partnerKeys, rateLimit: { max: 30 }, tools: [price] })

  // Single plugins, in this order and in a separate scope: POST /staff/mcp
  await app.register(async staff => {
    await staff.register(errors)
    await staff.register(cors)
    await staff.register(preauthLimit, { max: 10 })
    await staff.register(auth, { jwt: { secret: staffSecret } })
    await staff.register(principalLimit, { max: 1000 })
    await staff.register(mcp, { tools: [price, reprice] })
    // Other routes in this scope require the same credential.
    staff.get('/me', async ({ principal }) => ({ id: principal?.id, role: principal?.role }))
  }, { prefix: '/staff' })

  return app
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { PARTNER_KEYS, STAFF_SECRET } = process.env
  if (PARTNER_KEYS === undefined || STAFF_SECRET === undefined) {
    console.error(
      'Set PARTNER_KEYS (which partners send as x-api-key) and STAFF_SECRET (at least 32 bytes). Create each with: ' +
        'openssl rand -hex 32'
    )
    process.exit(1)
  }
  const app = await buildShop({ partnerKeys: PARTNER_KEYS.split(','), staffSecret: STAFF_SECRET })
  await app.listen({ port: 3000 })
}
