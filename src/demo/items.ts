/** Tools, resources and a prompt to try a new server with: `start --demo`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from '../lib/zod.js'
import { definePrompt, type Prompt } from '../tools/prompt.js'
import { defineResource, type Resource } from '../tools/resource.js'
import { defineTool, type Tool } from '../tools/tool.js'

/** The demo tools change nothing, store nothing between calls, and access nothing outside the process. */
const annotations = { readOnlyHint: true, destructiveHint: false, openWorldHint: false }

const roll = defineTool({
  name: 'demo-roll',
  title: 'Roll dice',
  description: 'Rolls dice. Shows arguments with defaults and a structured result.',
  annotations,
  input: z.object({
    dice: z.number().int().min(1).max(20).default(2).describe('How many dice'),
    sides: z.number().int().min(2).max(100).default(6).describe('Sides of each')
  }),
  output: z.object({ rolls: z.array(z.number()), total: z.number() }),
  handler: ({ dice, sides }) => {
    const rolls = Array.from({ length: dice }, () => 1 + Math.floor(Math.random() * sides))
    return { structuredContent: { rolls, total: rolls.reduce((sum, one) => sum + one, 0) } }
  }
})

const countdown = defineTool({
  name: 'demo-countdown',
  title: 'Count down',
  description: 'Counts down, one step per second. Shows progress, log messages and cancellation.',
  annotations,
  input: z.object({ from: z.number().int().min(1).max(10).default(3).describe('Seconds') }),
  concurrency: 2,
  handler: async ({ from }, { progress, log, signal }) => {
    for (let left = from; left > 0; left--) {
      await progress(from - left, from, `${left} …`)
      await log('info', { left })
      await sleep(1000, undefined, { signal })
    }
    return 'Liftoff!'
  }
})

const greet = defineTool({
  name: 'demo-greet',
  title: 'Ask for a name, and greet',
  description: 'Asks the user for a name with a form, and greets them. Needs a client that supports elicitation.',
  annotations,
  handler: async (_args, { elicit }) => {
    const { action, content } = await elicit({
      message: 'What is your name?',
      schema: z.object({ name: z.string().min(1).max(100).describe('Your name') })
    })
    return action === 'accept' ? `Hello ${content.name}!` : 'You gave no name.'
  }
})

const adminOnly = defineTool({
  name: 'demo-admin-only',
  title: 'For admins only',
  description: 'Shows who calls. Only admins can see this tool: it shows how to reserve a tool for a role.',
  annotations,
  access: { roles: ['admin'] },
  handler: (_args, { principal }) => `Hello admin ${principal.id}!`
})

const welcome = defineResource({
  name: 'demo-welcome',
  title: 'Overview of the demo',
  uri: 'demo://welcome',
  mimeType: 'text/markdown',
  read: () => `# The demo

- \`demo-roll\` returns a structured result.
- \`demo-countdown\` reports progress.
- \`demo-greet\` asks the user a question.
- \`demo-admin-only\` is only for admins: \`fastify-mcp-auth token --user ada --role admin\` creates one.
- \`demo://squares/{number}\` is a resource for each number.
`
})

const squares = defineResource({
  name: 'demo-square',
  title: 'The square of a number',
  uriTemplate: 'demo://squares/{number}',
  complete: { number: text => ['1', '2', '3', '12'].filter(number => number.startsWith(text)) },
  read: (_uri, _context, { number = '' }) => /^\d{1,9}$/.test(number) ? `${BigInt(number) ** 2n}` : undefined
})

const tour = definePrompt({
  name: 'demo-tour',
  title: 'Show me around',
  description: 'Asks the model to try what this server offers.',
  input: z.object({ focus: z.string().describe('What to try, such as progress').optional() }),
  complete: { focus: text => ['structured results', 'progress', 'questions'].filter(one => one.startsWith(text)) },
  handler: ({ focus = 'everything' }) =>
    `Try the tools of this server that begin with "demo-", and tell me what each shows. Focus on: ${focus}.`
})

export const demo: {
  readonly tools: readonly Tool[]
  readonly resources: readonly Resource[]
  readonly prompts: readonly Prompt[]
} = { tools: [roll, countdown, greet, adminOnly], resources: [welcome, squares], prompts: [tour] }
