/** The two tools for the other servers, with the same schemas and answers. */
import { z } from 'zod'

/**
 * Both definitions, with new schemas on each call: in the documentation of both SDKs, the function that
 * creates a server for a request also creates its schemas.
 */
export function define () {
  const whoami = {
    name: 'whoami',
    title: 'Who am I',
    description: 'Shows who you are on this server: id, role, scopes, how you authenticated, when your credential expires, what is left of your rate limit and which tools you may call.',
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    input: z.object({}),
    output: z.object({
      id: z.string().describe('Your id on this server (the principal)'),
      role: z.enum(['admin', 'user']),
      scopes: z.array(z.string()),
      method: z.enum(['api-key', 'jwt']).describe('How you authenticated'),
      expiresAt: z.string().nullable().describe('When your credential ends (RFC 3339); null when it does not'),
      budget: z.object({
        limit: z.number().describe('Requests per window'),
        remaining: z.number(),
        resetSeconds: z.number().describe('Seconds until the window ends')
      }).nullable().describe('Your own rate limit; null if there is none'),
      tools: z.array(z.string()).describe('The tools that you may call')
    }),
    answer: () => ({
      id: 'key:0123456789abcdef',
      role: 'user',
      scopes: [],
      method: 'api-key',
      expiresAt: null,
      budget: {
        limit: 1000000000,
        remaining: 999999999,
        resetSeconds: 60
      },
      tools: ['whoami', 'echo']
    })
  }
  const echo = {
    name: 'echo',
    title: 'Echo',
    description: 'Says the text again.',
    input: z.object({ text: z.string().describe('What to say') })
  }
  return { whoami, echo }
}

export const once = define()

/** A structured result, with a text for clients that do not support structured results. */
export function both (structuredContent) {
  return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent }
}

/** Registers both tools on an `McpServer` of either SDK. `tuned`: creates the schemas only once. */
export function register (server, { tuned = false } = {}) {
  const { whoami, echo } = tuned ? once : define()
  const { title, description, annotations, input, output } = whoami
  server.registerTool(
    'whoami',
    { title, description, annotations, inputSchema: input, outputSchema: output },
    async () => both(whoami.answer())
  )
  server.registerTool(
    'echo',
    { title: echo.title, description: echo.description, inputSchema: echo.input },
    async ({ text }) => ({ content: [{ type: 'text', text }] })
  )
  return server
}
