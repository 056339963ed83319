/** Lists the tokens that were created here and have not expired, without the tokens; for admins. */
import { z } from '../lib/zod.js'
import { PublicToolError } from '../errors.js'
import { mintedView } from '../ledger/minted-view.js'
import type { State } from '../ledger/ledger.js'
import { type Tool, defineTool } from '../tools/tool.js'

const maxPage = 1000

export function createListTokens (state: State): Tool {
  return defineTool({
    name: 'list-tokens',
    title: 'List tokens',
    description:
      'Lists the tokens that were minted here and have not expired: their ids, whom they are for, until ' +
        'when, and who minted them. The tokens themselves are kept nowhere.',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    access: { roles: ['admin'] },
    input: z.object({
      subject: z.string().optional().describe('Only the tokens of this user'),
      limit: z.number().int().min(1).max(maxPage).default(100).describe('How many at most'),
      cursor: z.string().optional().describe('Where to go on: the nextCursor of the page before')
    }),
    output: z.object({
      tokens: z.array(
        z.object({
          id: z.string().describe('Names the token, as for revoke-token'),
          subject: z.string().describe('Whom it is for'),
          role: z.enum(['admin', 'user']),
          scopes: z.array(z.string()),
          issuedAt: z.string().describe('RFC 3339'),
          expiresAt: z.string().describe('RFC 3339'),
          mintedBy: z.string().describe('The principal that minted it, or cli'),
          mintedWith: z
            .string()
            .describe('An id')
            .nullable()
            .describe('Which token or key it was minted with; null where that has none'),
          revoked: z.boolean()
        })
      ),
      nextCursor: z.string().describe('Goes into cursor').nullable().describe('Null on the last page')
    }),
    handler: ({ subject, limit, cursor }) => {
      const page = state.list({ subject, limit, after: cursor })
      if (page === undefined) throw new PublicToolError('cursor: the list has changed, begin anew')
      return {
        structuredContent: {
          tokens: page.tokens.map(minted => mintedView(minted, state)),
          nextCursor: page.next ?? null
        }
      }
    }
  })
}
