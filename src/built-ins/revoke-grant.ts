/** Revokes the grant of an OAuth client; for admins. */
import { z } from '../lib/zod.js'
import { PublicToolError } from '../errors.js'
import { authorOf } from '../ledger/records.js'
import { isGrantId } from '../oauth/server/grant-list.js'
import { type Audit, kept, noAudit } from './ledger-tool.js'
import { filterInput, type GrantTools } from './list-grants.js'
import { type Tool, defineTool } from '../tools/tool.js'

export function createRevokeGrant (grants: GrantTools, audit: Audit = noAudit): Tool {
  return defineTool({
    name: 'revoke-grant',
    title: 'Revoke signed-in clients',
    description:
      'Immediately ends the access of apps that people signed in (OAuth grants): one by its id, or all of a ' +
        'key, a client or a caller. Open streams end too. The API key itself stays valid.',
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    access: { roles: ['admin'] },
    input: z.object({
      id: z.string().max(64).optional().describe('The id of one grant, as shown by list-grants'),
      ...filterInput
    }),
    output: z.object({ revoked: z.array(z.string()).describe('The ids of the revoked grants') }),
    handler: async ({ id, key: keyId, client: clientId, subject }, { principal, requestId }) => {
      if ([id, keyId, clientId, subject].every(one => one === undefined)) {
        throw new PublicToolError('Pass id, key, client or subject')
      }
      if (id !== undefined && !isGrantId(id)) {
        throw new PublicToolError('id: must be a grant id, as shown by list-grants')
      }
      const found = await grants.list({ id, keyId, clientId, subject })
      for (const grant of found) await kept(grants.revoke(grant.id, authorOf(principal)))
      const revoked = found.map(grant => grant.id)
      audit('grant-revoked', { grants: revoked }, { principal, requestId })
      return { structuredContent: { revoked } }
    }
  })
}
