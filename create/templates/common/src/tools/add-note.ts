/** Keeps a note; for callers with the scope notes:write, ten times a minute. */
import { PublicToolError, defineTool } from 'fastify-mcp-auth'
import { z } from 'zod'

/** In memory: put a database in its place. */
export const notes: string[] = []

export const addNote = defineTool({
  name: 'add-note',
  title: 'Add a note',
  description: 'Keeps a note, which the resource notes://all shows.',
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
  access: { scopes: ['notes:write'] },
  rate: { max: 10, windowMs: 60_000 },
  input: z.object({ text: z.string().min(1).max(1000).describe('What to keep') }),
  output: z.object({ count: z.number().describe('How many notes there are now') }),
  handler: ({ text }) => {
    if (notes.length >= 1000) throw new PublicToolError('There is no room for more notes')
    return { structuredContent: { count: notes.push(text) } }
  }
})
