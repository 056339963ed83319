/** The built package with its full chain: settings, origins, both limits, authentication, log, masking. */
import { z } from 'zod'
import { ready, settings } from './host.js'

const { buildApp, defineTool } = await import(settings.entry ?? '../../dist/src/index.js')
const { keys, jwtSecret, crowd = 0, options = {} } = settings

const echo = defineTool({
  name: 'echo',
  title: 'Echo',
  description: 'Says the text again.',
  input: z.object({ text: z.string().describe('What to say') }),
  handler: async ({ text }) => text
})

/** Tools that are never called, to measure the cost of their number. */
const bystanders = Array.from({ length: crowd }, (_, number) => defineTool({
  name: `bystander-${number}`,
  description: 'Stands by.',
  input: z.object({ text: z.string(), times: z.number().int().optional() }),
  handler: async ({ text }) => text
}))

const app = await buildApp({
  env: {
    HOST: '127.0.0.1',
    PORT: '0',
    NODE_ENV: 'production',
    LOG_LEVEL: 'info',
    API_KEYS: keys.join(','),
    JWT_SECRET: jwtSecret,
    CORS_ORIGINS: 'https://app.example.com',
    PREAUTH_RATE_LIMIT_MAX: '1000000000',
    RATE_LIMIT_MAX: '1000000000',
    ...settings.env
  },
  tools: [echo, ...bystanders],
  ...options
})

await app.listen({ host: '127.0.0.1', port: 0 })
ready(app.server.address().port, () => app.close(), () => app.mcp.addTool({ ...echo, name: 'latecomer' }))
