/** Tells callers who they are, until when, and what they can call. */
import { z } from '../lib/zod.js'
import type { Principal } from '../principal/principal.js'
import { defineTool, type Tool } from '../tools/tool.js'

export const whoamiName = 'whoami'

/** The freeze that applies to this caller's call of `tool`, or, without a tool, to the caller. */
export type FrozenFor = (principal: Principal, tool?: string) => string | undefined

export function createWhoami (frozenFor: FrozenFor = () => undefined): Tool {
  return defineTool({
    name: whoamiName,
    title: 'Who am I',
    description:
      'Shows who you are on this server: id, role, scopes, how you authenticated, when your credential ' +
        'expires, what is left of your rate limit and which tools you may call.',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    output: z.object({
      id: z.string().describe('Your id on this server (the principal)'),
      role: z.string(),
      scopes: z.array(z.string()),
      method: z.enum(['api-key', 'jwt']).describe('How you authenticated'),
      client: z
        .object({
          id: z.string(),
          name: z.string().describe('The name that the app gives itself')
        })
        .nullable()
        .describe('The app that you signed in and that acts for you; null if you call directly'),
      expiresAt: z
        .string()
        .describe('RFC 3339')
        .nullable()
        .describe('When your credential expires; null if it does not'),
      budget: z
        .object({
          limit: z.number().describe('Requests per window'),
          remaining: z.number(),
          resetSeconds: z.number().describe('Seconds until the window ends')
        })
        .nullable()
        .describe('Your own rate limit; null if there is none'),
      tools: z.array(z.string()).describe('The tools that you may call'),
      frozen: z
        .array(z.string())
        .optional()
        .describe(
          'What the operator switched off: all, principal:…, key:… or tool:…; omitted if nothing is'
        )
    }),
    handler: async (_args, { principal, budget, tools }) => {
      const callable = tools()
      return {
        structuredContent: {
          id: principal.id,
          role: principal.role,
          scopes: [...principal.scopes],
          method: principal.method,
          client: principal.client === undefined ? null : { ...principal.client },
          expiresAt: principal.expiresAt === undefined ? null : new Date(principal.expiresAt).toISOString(),
          budget: await budget(),
          tools: [...callable],
          ...frozenOf(principal, callable, frozenFor)
        }
      }
    }
  })
}

export const whoami = createWhoami()

function frozenOf (principal: Principal, tools: readonly string[], frozenFor: FrozenFor): { frozen?: string[] } {
  const targets = [frozenFor(principal), ...tools.map(tool => frozenFor(principal, tool))]
  const frozen = targets.filter(target => target !== undefined)
  return frozen.length === 0 ? {} : { frozen: [...new Set(frozen)] }
}
