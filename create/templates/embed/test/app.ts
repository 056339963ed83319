/** The app as the tests call it: without a port, and with a key of its own. */
import type { TestContext } from 'node:test'
import { makeApp } from '../src/app.js'

export async function testApp (t: TestContext): ReturnType<typeof makeApp> {
  const app = await makeApp({ apiKeys: ['key-of-the-tests-0001'] })
  t.after(() => app.close())
  return app
}
