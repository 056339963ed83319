/** Starts the app. Settings come from the environment and from .env. */
import { existsSync } from 'node:fs'
import { loadEnvFile } from 'node:process'
import { loadConfig, OperatorError } from 'fastify-mcp-auth'
import { makeApp } from './app.js'

if (existsSync('.env')) loadEnvFile('.env')
try {
  const { config, warnings } = loadConfig({ env: process.env, dotenv: false })
  const app = await makeApp(config)
  for (const warning of warnings) app.log.warn(warning)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => { void app.close() })
  await app.listen({ port: config.PORT, host: config.HOST })
} catch (error) {
  const isListening = error instanceof Error && 'syscall' in error && error.syscall === 'listen'
  if (!(error instanceof OperatorError) && !isListening) throw error
  // A setting cannot be used. The message says which one.
  console.error(error.message)
  process.exit(1)
}
