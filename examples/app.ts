/** A tool with a page that shows the caller's limit and recent calls. `npx tsx examples/app.ts` */
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
// In your project: from 'fastify-mcp-auth'
import { type AfterCall, defineApp, defineTool, startServer } from '../src/index.js'

interface Call { readonly tool: string, readonly ms: number, readonly isGood: boolean }

/** The last calls of each of the last hundred callers. */
const recent = new Map<string, readonly Call[]>()

export const noteCall: AfterCall = ({ name, principal }, { result, ms }) => {
  const isGood = result !== undefined && result.isError !== true
  const calls = [...recent.get(principal.id) ?? [], { tool: name, ms: Math.round(ms), isGood }]
  recent.delete(principal.id)
  recent.set(principal.id, calls.slice(-20))
  for (const oldest of recent.keys()) if (recent.size > 100) recent.delete(oldest)
}

const usage = z.object({
  limit: z.number().describe('Requests per window; 0 if there is no limit'),
  remaining: z.number(),
  resetSeconds: z.number(),
  calls: z.array(z.object({ tool: z.string(), ms: z.number(), isGood: z.boolean() })).describe('Newest last')
})
const access = { scopes: ['usage:read'] }
const annotations = { readOnlyHint: true, destructiveHint: false, openWorldHint: false }

const myUsage = defineTool({
  name: 'my-usage',
  title: 'My usage',
  description: 'Shows what is left of your rate limit, and your recent calls.',
  annotations,
  access,
  output: usage,
  handler: async (_args, { principal, budget }) => {
    const { limit, remaining, resetSeconds } = await budget() ?? { limit: 0, remaining: 0, resetSeconds: 0 }
    return { structuredContent: { limit, remaining, resetSeconds, calls: [...recent.get(principal.id) ?? []] } }
  }
})

/** For the button of the page. The model uses `my-usage`. */
export const refreshUsage = defineTool({
  ...myUsage,
  name: 'my-usage-now',
  title: 'My usage now',
  visibility: ['app']
})

export const usageApp = defineApp({
  name: 'my-usage',
  title: 'My usage',
  tool: myUsage,
  file: new URL('app.html', import.meta.url)
})

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await startServer({ apps: [usageApp], tools: [refreshUsage], afterCall: noteCall })
}
