/** Lists the tokens that were created here and have not expired, without the tokens; for admins. */
import { z } from '../lib/zod.js'
import { PublicToolError } from '../errors.js'
import { mintedView } from '../ledger/minted-view.js'
import type { Ledger } from '../ledger/ledger.js'
import { type Tool, defineTool } from '../tools/tool.js'

const maxPage = 1000

export function createListTokens (state: Ledger): Tool {
  return defineTool({
    name: 'list-tokens',
    title: 'List tokens',
    description:
      'Lists the tokens that were created here and have not expired: their ids, users and expiry, and who ' +
        'created them. The tokens themselves are not stored.',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    access: { roles: ['admin'] },
    input: z.object({
      subject: z.string().optional().describe('Only the tokens of this user'),
      limit: z.number().int().min(1).max(maxPage).default(100).describe('The maximum number of tokens'),
      cursor: z.string().optional().describe('The nextCursor of the previous page')
    }),
    output: z.object({
      tokens: z.array(
        z.object({
          id: z.string().describe('The id of the token, for revoke-token'),
          subject: z.string().describe('The user that it is for'),
          role: z.enum(['admin', 'user']),
          scopes: z.array(z.string()),
          issuedAt: z.string().describe('RFC 3339'),
          expiresAt: z.string().describe('RFC 3339'),
          mintedBy: z.string().describe('The principal that created it, or cli'),
          mintedWith: z
            .string()
            .describe('An id')
            .nullable()
            .describe('The id of the token or key that it was created with; null if that has none'),
          revoked: z.boolean()
        })
      ),
      nextCursor: z.string().describe('Goes into cursor').nullable().describe('Null on the last page')
    }),
    handler: ({ subject, limit, cursor }) => {
      const page = state.list({ subject, limit, after: cursor })
      if (page === undefined) throw new PublicToolError('cursor: the list has changed; start again without a cursor')
      return {
        structuredContent: {
          tokens: page.tokens.map(minted => mintedView(minted, state)),
          nextCursor: page.next ?? null
        }
      }
    }
  })
}
