/** An app with only the MCP plugin. A header names the caller. */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import mcp, { type McpOptions } from '../../plugins/mcp.js'
import { principalOf } from './exchange.js'
import { logSink } from './log-sink.js'

/** Builds an app that accepts any caller named in a header. */
export async function build (t: Test, options: McpOptions = {}, stream = logSink()): Promise<FastifyInstance> {
  const app = Fastify({ logger: { stream } })
  t.teardown(() => app.close())
  app.decorateRequest('principal', null)
  app.addHook('onRequest', async request => {
    const { who } = request.headers
    if (typeof who === 'string') request.principal = principalOf(who, who === 'root' ? { role: 'admin' } : {})
  })
  await app.register(mcp, options)
  return app
}

export const namesIn = (list: { body: { result: { tools: Array<{ name: string }> } } }): string[] =>
  list.body.result.tools.map(({ name }) => name)
