/** Stores a note. For callers with the scope notes:write, ten times per minute. */
import { PublicToolError, defineTool } from 'fastify-mcp-auth'
import { z } from 'zod'

/** Notes are in memory. Replace this with a database. */
export const notes: string[] = []

export const addNote = defineTool({
  name: 'add-note',
  title: 'Add a note',
  description: 'Stores a note. The resource notes://all lists all notes.',
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
  access: { scopes: ['notes:write'] },
  rate: { max: 10, windowMs: 60_000 },
  input: z.object({ text: z.string().min(1).max(1000).describe('The text of the note') }),
  output: z.object({ count: z.number().describe('The number of stored notes') }),
  handler: ({ text }) => {
    if (notes.length >= 1000) throw new PublicToolError('There is no room for more notes')
    return { structuredContent: { count: notes.push(text) } }
  }
})
