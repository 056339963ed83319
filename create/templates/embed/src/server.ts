/** Starts the app. Settings come from the environment and from .env. */
import { existsSync } from 'node:fs'
import { loadEnvFile } from 'node:process'
import { makeApp } from './app.js'

if (existsSync('.env')) loadEnvFile('.env')
const { API_KEYS = '', JWT_SECRET, PORT = '3000', HOST = 'localhost' } = process.env
const app = await makeApp({ apiKeys: API_KEYS.split(',').filter(Boolean), jwtSecret: JWT_SECRET, logger: true })
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => { void app.close() })
await app.listen({ port: Number(PORT), host: HOST })
