/** Lists the OAuth clients that people signed in, without credentials; for admins. */
import { z } from '../lib/zod.js'
import { type GrantFilter, viewOfGrant } from '../oauth/server/grant-list.js'
import type { Grant } from '../oauth/server/grants.js'
import { type Tool, defineTool } from '../tools/tool.js'

/** What the tools need of the authorization server. */
export interface GrantTools {
  readonly list: (filter: GrantFilter) => Promise<readonly Grant[]>
  readonly revoke: (id: string, by: { readonly principal: string }) => Promise<boolean>
}

const maxListed = 1000

/** What names grants in a call. */
export const filterInput = {
  key: z.string().max(64).optional().describe('Only those of this API key, by its id'),
  client: z.string().max(2000).optional().describe('Only those of this client, by its client_id'),
  subject: z.string().max(2048).optional().describe('Only those of this caller, by the id that whoami shows')
}

export function createListGrants (grants: GrantTools): Tool {
  return defineTool({
    name: 'list-grants',
    title: 'List signed-in clients',
    description:
      'Lists the apps that people signed in with an API key (OAuth grants): which app, for whom, with which ' +
        'key, what it may do, and when it was last used.',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    access: { roles: ['admin'] },
    input: z.object({
      ...filterInput,
      limit: z.number().int().min(1).max(maxListed).default(100).describe('How many at most, the newest')
    }),
    output: z.object({
      grants: z.array(
        z.object({
          id: z.string().describe('Names the grant, as for revoke-grant'),
          client: z.string().describe('The client_id'),
          clientName: z.string().describe('What the app calls itself'),
          subject: z.string().describe('The caller in whose name it calls'),
          keyId: z.string(),
          role: z.string().describe('The role that it has at most'),
          scopes: z.array(z.string()),
          resource: z.string(),
          signedInAt: z.string().describe('RFC 3339'),
          usedAt: z.string().describe('RFC 3339; when it last fetched a token')
        })
      ),
      total: z.number().describe('How many there are')
    }),
    handler: async ({ key: keyId, client: clientId, subject, limit }) => {
      const found = await grants.list({ keyId, clientId, subject })
      return {
        structuredContent: {
          grants: found.slice(-limit).map(grant => ({ ...viewOfGrant(grant), scopes: [...grant.scopes] })),
          total: found.length
        }
      }
    }
  })
}
