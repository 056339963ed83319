/** The server that the conformance suite tests. Uses only the public API. */
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/index.js'
import { askingTools } from './fixture/asking.js'
import { contentTools } from './fixture/content.js'
import { prompts } from './fixture/prompts.js'
import { resources } from './fixture/resources.js'
import { changingTools, streamingTools } from './fixture/streaming.js'

/** A run sends hundreds of requests within seconds, including invalid ones. */
export const wideLimits = { RATE_LIMIT_MAX: '1000000', PREAUTH_RATE_LIMIT_MAX: '1000000' }

/** `env` is like that of the service. Limits that it does not set are raised. */
export async function buildFixture (env: Readonly<Record<string, string | undefined>>): Promise<FastifyInstance> {
  const app = await buildApp({
    env: { ...wideLimits, LOG_LEVEL: 'warn', ...env },
    info: { name: 'conformance-fixture', version: '1.0.0' },
    tools: [...contentTools, ...streamingTools, ...askingTools],
    resources,
    prompts,
  })
  for (const tool of changingTools(app.mcp)) app.mcp.addTool(tool)
  return app
}
