/** Builds the server for tests, without a port and with a test key. */
import type { TestContext } from 'node:test'
import { buildApp } from 'fastify-mcp-auth'
import { options } from '../src/options.js'

const env = { API_KEYS: 'key-of-the-tests-0001', UPSTREAMS_FILE: 'mcp.json', LOG_LEVEL: 'silent' }

export async function testApp (t: TestContext): ReturnType<typeof buildApp> {
  const app = await buildApp({ env, ...options })
  t.after(() => app.close())
  return app
}
