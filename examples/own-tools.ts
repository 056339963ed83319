/** A tool, a resource and a prompt. Set API_KEYS or write a .env, and run `npx tsx examples/own-tools.ts`. */
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
// In your project: from 'fastify-mcp-auth'
import { PublicToolError, definePrompt, defineResource, defineTool, startServer } from '../src/index.js'

const stock = new Map([['apple', 12], ['pear', 0]])

export const order = defineTool({
  name: 'order',
  annotations: { title: 'Order fruit', readOnlyHint: false, destructiveHint: false, openWorldHint: false },
  description: 'Orders fruit after the user has confirmed.',
  input: z.object({ fruit: z.string(), count: z.number().int().positive().default(1) }),
  output: z.object({ fruit: z.string(), left: z.number() }),
  handler: async ({ fruit, count }, { elicit, log }) => {
    const left = (stock.get(fruit) ?? 0) - count
    if (left < 0) throw new PublicToolError(`Not enough in stock: ${fruit}`)
    const { action } = await elicit({ message: `Order ${count} × ${fruit}?`, schema: z.object({}) })
    if (action !== 'accept') throw new PublicToolError('Nothing was ordered')
    stock.set(fruit, left)
    await log('info', `${left} left`)
    return { structuredContent: { fruit, left } }
  }
})

export const shelf = defineResource({
  name: 'shelf',
  uriTemplate: 'shelf://{fruit}',
  read: (_uri, _context, { fruit = '' }) => `${stock.get(fruit) ?? 0} of ${fruit}`
})
export const recipe = definePrompt({
  name: 'recipe',
  input: z.object({ fruit: z.string().describe('What to bake with') }),
  complete: { fruit: value => [...stock.keys()].filter(fruit => fruit.startsWith(value)) },
  handler: ({ fruit }) => `Find a cake with ${fruit}.`
})

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await startServer({ tools: [order], resources: [shelf], prompts: [recipe] })
}
