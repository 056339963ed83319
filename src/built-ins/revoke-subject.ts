/** Revokes everything issued to a subject up to a time; for admins. */
import { z } from '../lib/zod.js'
import { PublicToolError } from '../errors.js'
import { requireId } from '../principal/credential-forms.js'
import { principalIdOf } from '../principal/principal.js'
import { authorOf } from '../ledger/records.js'
import type { Ledger } from '../ledger/ledger.js'
import { type Audit, kept, noAudit, refine, timeText } from './ledger-tool.js'
import { type Tool, defineTool } from '../tools/tool.js'

export function createRevokeSubject (state: Ledger, audit: Audit = noAudit): Tool {
  return defineTool({
    name: 'revoke-subject',
    title: 'Revoke a subject',
    description:
      'Revokes every credential that was issued to a user up to a time (default: now). Open ' +
        'streams end too. Credentials that are issued later are valid.',
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    access: { roles: ['admin'] },
    input: z.object({
      subject: z
        .string()
        .min(1)
        .max(256)
        .superRefine(refine(requireId))
        .superRefine(refine(requireUser))
        .optional()
        .describe('The user id of the tokens (sub), or as shown by whoami: jwt:<sub>'),
      principal: z
        .string()
        .min(1)
        .max(2048)
        .superRefine(refine(requireId))
        .optional()
        .describe('Instead of subject: the id of any kind of caller, as shown by whoami'),
      before: z.iso
        .datetime({ offset: true })
        .optional()
        .describe('Revoke credentials issued up to this time (RFC 3339); not in the future'),
      withMinted: z
        .boolean()
        .default(false)
        .describe('Also revoke the tokens that this subject created, and those created with them, and so on')
    }),
    output: z.object({
      principal: z.string(),
      before: z.string().describe('RFC 3339'),
      revoked: z
        .array(z.string())
        .describe('The ids of the revoked tokens that were created by this subject')
    }),
    handler: async ({ subject, principal: id, before, withMinted }, { principal: caller, requestId }) => {
      if ((subject === undefined) === (id === undefined)) {
        throw new PublicToolError('Pass either subject or principal')
      }
      const principal = id ?? principalIdOf(subject ?? '')
      const time = before === undefined ? state.lastIssueTo(principal) : Date.parse(before)
      if (before !== undefined && time > Date.now()) throw new PublicToolError('before: must not be in the future')
      const revoked = await kept(state.revokeSubject(principal, time, authorOf(caller), withMinted))
      audit(
        'subject-revoked',
        { subject: principal, before: timeText(time), withMinted, revoked: revoked.length },
        { principal: caller, requestId }
      )
      return { structuredContent: { principal, before: timeText(time), revoked: [...revoked] } }
    }
  })
}

function requireUser (subject: string): void {
  try {
    principalIdOf(subject)
  } catch (error) {
    throw error instanceof RangeError ? new RangeError(`${error.message}: pass it as principal`) : error
  }
}
