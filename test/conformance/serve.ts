/** Starts only the fixture, for your own suite. Settings: `PORT`, `API_KEYS` and `MCP_SESSIONS`. */
import { ConfigError } from '../../src/index.js'
import { buildFixture } from './fixture.js'

try {
  const app = await buildFixture(process.env)
  const address = await app.listen({ port: app.config.PORT, host: app.config.HOST })
  process.stdout.write(`Conformance fixture at ${address}/mcp\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      app.close().catch(() => {
        process.exitCode = 1
      })
    })
  }
} catch (error) {
  if (!(error instanceof ConfigError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
