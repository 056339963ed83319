/** Builds the server for tests, without a port and with a test key. */
import type { TestContext } from 'node:test'
import { buildApp } from 'fastify-mcp-auth'
import { options } from '../src/options.js'

export async function testApp (t: TestContext): ReturnType<typeof buildApp> {
  const app = await buildApp({ env: { API_KEYS: 'key-of-the-tests-0001', LOG_LEVEL: 'silent' }, ...options })
  t.after(() => app.close())
  return app
}
