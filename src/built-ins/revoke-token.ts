/** Revokes a token; for admins. */
import { z } from '../lib/zod.js'
import { requireId } from '../principal/credential-forms.js'
import { authorOf } from '../ledger/records.js'
import type { Ledger } from '../ledger/ledger.js'
import { type Audit, kept, noAudit, refine } from './ledger-tool.js'
import { type Tool, defineTool } from '../tools/tool.js'

export function createRevokeToken (state: Ledger, audit: Audit = noAudit): Tool {
  return defineTool({
    name: 'revoke-token',
    title: 'Revoke a token',
    description:
      'Revokes a token immediately and permanently, by its id (jti), as shown by list-tokens. Its open streams ' +
        'end too. It may have been created elsewhere.',
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    access: { roles: ['admin'] },
    input: z.object({
      id: z
        .string()
        .min(1)
        .max(256)
        .superRefine(refine(requireId))
        .describe('The jti of the token, never the token itself'),
      withMinted: z
        .boolean()
        .default(false)
        .describe('Also revoke the tokens that were created with it, and with those, and so on')
    }),
    output: z.object({
      revoked: z.array(z.string()).describe('The ids of all revoked tokens'),
      onRecord: z.boolean().describe('Whether the token was created here and has not expired')
    }),
    handler: async ({ id, withMinted }, { principal, requestId }) => {
      const onRecord = state.find(id) !== undefined
      const revoked = await kept(state.revokeToken(id, authorOf(principal), withMinted))
      audit('token-revoked', { jti: id, withMinted, revoked: revoked.length }, { principal, requestId })
      return { structuredContent: { revoked: [...revoked], onRecord } }
    }
  })
}
