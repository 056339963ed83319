/** Lists the OAuth clients that people signed in, without credentials; for admins. */
import { z } from '../lib/zod.js'
import { type GrantFilter, viewOfGrant } from '../oauth/server/grant-list.js'
import type { Grant } from '../oauth/server/grant.js'
import { type Tool, defineTool } from '../tools/tool.js'

/** The part of the authorization server that the tools need. */
export interface GrantTools {
  readonly list: (filter: GrantFilter) => Promise<readonly Grant[]>
  readonly revoke: (id: string, by: { readonly principal: string }) => Promise<boolean>
}

const maxListed = 1000

/** The inputs that select grants. */
export const filterInput = {
  key: z.string().max(64).optional().describe('Only grants of this API key, by its id'),
  client: z.string().max(2000).optional().describe('Only grants of this client, by its client_id'),
  subject: z.string().max(2048).optional().describe('Only grants of this caller, by its id as shown by whoami')
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
      limit: z.number().int().min(1).max(maxListed).default(100).describe('The maximum number of grants, newest first')
    }),
    output: z.object({
      grants: z.array(
        z.object({
          id: z.string().describe('The id of the grant, for revoke-grant'),
          client: z.string().describe('The client_id'),
          clientName: z.string().describe('The name that the app gives itself'),
          subject: z.string().describe('The caller that it acts for'),
          keyId: z.string(),
          role: z.string().describe('The highest role that it can have'),
          scopes: z.array(z.string()),
          resource: z.string(),
          signedInAt: z.string().describe('RFC 3339'),
          usedAt: z.string().describe('RFC 3339; when it last got a token')
        })
      ),
      total: z.number().describe('The total number of grants')
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
