/** Tools that fail, called in either era, and the secret that no answer may contain. */
import type { FastifyInstance } from 'fastify'
import { defineTool, type Tool, type ToolResult } from '../../src/tools/tool.js'
import { type Answer, callOf, modern, post, withKey } from './service.js'

export const secret = 'db-password-hunter2'

/** The two eras, as ways to call a tool. */
export const eras: Array<[string, (app: FastifyInstance, name: string) => Promise<Answer>]> = [
  ['2025', async (app, name) => await post(app, callOf(name, {}, 'e'))],
  ['2026', async (app, name) => {
    const { headers, payload } = modern('tools/call', { name }, 'e')
    return await post(app, payload, { ...withKey, ...headers })
  }]
]

export const trap = (): never => { throw new Error(secret) }

export function fails (name: string, handler: () => unknown): Tool {
  return defineTool({ name, handler: async () => handler() as ToolResult })
}
