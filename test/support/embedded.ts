/** A host app with two endpoints, each with its own key, secret and tool. */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type McpAuthOptions, generateToken, mcpAuth } from '../../src/index.js'
import { defineTool } from '../../src/tools/tool.js'
import { adaKey, bobKey } from './service.js'

export const secretA = 'the-secret-of-scope-a-with-32-bytes-or-more'
export const secretB = 'the-secret-of-scope-b-with-32-bytes-or-more'

export const tool = (name: string) => defineTool({ name, handler: () => `${name} was here` })
export const a: McpAuthOptions & { prefix: string } = {
  prefix: '/a',
  apiKeys: [adaKey],
  jwtSecret: secretA,
  tools: [tool('tool-a')],
  preauthLimit: { max: 3 },
  rateLimit: { max: 5 }
}
export const b: McpAuthOptions & { prefix: string } = {
  prefix: '/b',
  apiKeys: [bobKey],
  jwtSecret: secretB,
  tools: [tool('tool-b')],
  preauthLimit: { max: 50 },
  rateLimit: { max: 50 }
}
export const ada = { 'x-api-key': adaKey }
export const bob = { 'x-api-key': bobKey }

export function bare (t: Test, options = {}): FastifyInstance {
  const app = Fastify(options)
  t.teardown(() => app.close())
  return app
}

export async function twice (t: Test): Promise<FastifyInstance> {
  const app = bare(t)
  app.get('/', async () => ({ host: true }))
  await app.register(mcpAuth, a)
  await app.register(mcpAuth, b)
  return app
}

export function bearer (secret: string, role: 'admin' | 'user' = 'user'): { authorization: string } {
  return { authorization: `Bearer ${generateToken('carol', role, '1h', { secret })}` }
}
