/** Greets a person. */
import { defineTool } from 'fastify-mcp-auth'
import { z } from 'zod'

export const greet = defineTool({
  name: 'greet',
  title: 'Greet',
  description: 'Greets a person by name.',
  annotations: { readOnlyHint: true, destructiveHint: false, openWorldHint: false },
  input: z.object({ name: z.string().min(1).max(100).describe('The name of the person') }),
  handler: ({ name }) => `Hello, ${name}!`
})
