/** Builds the app for tests, without a port and with test settings. */
import type { TestContext } from 'node:test'
import { loadConfig } from 'fastify-mcp-auth'
import { makeApp } from '../src/app.js'

const env = { API_KEYS: 'key-of-the-tests-0001', LOG_LEVEL: 'silent' }

export async function testApp (t: TestContext): ReturnType<typeof makeApp> {
  const { config } = loadConfig({ env, dotenv: false })
  // Without a directory, the state stays in memory.
  const app = await makeApp(config, { stateDir: undefined })
  t.after(() => app.close())
  return app
}
