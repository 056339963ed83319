/** Creates a JWT for another user, with at most the caller's own rights; for admins. */
import { z } from '../lib/zod.js'
import { PublicToolError, UnavailableError, retryLater } from '../errors.js'
import { excessOf, mayMint, type MintPolicy } from '../tokens/mint-policy.js'
import { tokenPrincipalId, type OwnRole, type Principal } from '../principal/principal.js'
import { parseLifetime } from '../tokens/lifetime.js'
import { checkScopes, checkUserId, mintToken } from '../tokens/mint.js'
import type { OneTimeLinks } from '../tokens/one-time-links.js'
import { authorOf } from '../ledger/records.js'
import type { Ledger } from '../ledger/ledger.js'
import { type Audit, kept, noAudit, refine, timeText } from './ledger-tool.js'
import { type Tool, defineTool } from '../tools/tool.js'

export interface MintingOptions {
  readonly secret: string
  /** The longest lifetime of a token, in seconds. */
  readonly maxTtlSeconds: number
  /** The state that records each token before it is returned. */
  readonly state: Ledger
  /** Default `admin-tokens`. */
  readonly policy?: MintPolicy | undefined
  /** The `iss` and `aud` of the tokens. Left out: they have none. */
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  /** Called for each token that is returned. Left out: nothing is called. */
  readonly audit?: Audit | undefined
  /**
   * Return a one-time link instead of the token. `url` creates it from the code. Left out: the token itself.
   */
  readonly link?: { readonly links: OneTimeLinks, readonly url: (code: string) => string } | undefined
}

interface Wish {
  readonly userId: string
  readonly role: OwnRole
  readonly scopes: readonly string[]
  readonly expiresIn?: string | undefined
}

const roles = z.enum(['admin', 'user'])
const input = z.object({
  userId: z
    .string()
    .superRefine(refine(checkUserId))
    .meta({ minLength: 1, maxLength: 256 })
    .describe(
      'The user id that the token is for: 1 to 256 characters, no control characters, without a prefix such as jwt:'
    ),
  role: roles.default('user').describe('The role of the token; cannot exceed your own'),
  scopes: z
    .array(z.string())
    .superRefine(refine(checkScopes))
    .default([])
    .describe('The scopes of the token; only scopes that you have'),
  expiresIn: z
    .string()
    .superRefine(refine(parseLifetime))
    .optional()
    .meta({ default: '24h' })
    .describe(
      'The lifetime: 30m, 1h, 7d, or seconds such as 3600. With an API key, the token cannot outlive the key. ' +
        'Default: 24h, or the longest allowed lifetime if that is less'
    )
})
const record = {
  id: z.string().describe('The id of the token, for revoke-token. Not a secret.'),
  userId: z.string(),
  role: roles,
  scopes: z.array(z.string()),
  expiresAt: z.string().describe('RFC 3339')
}
const withToken = z.object({ token: z.string().describe('The JWT. A secret.'), ...record })
const withLink = z.object({
  link: z.string().describe('The URL of a page that shows the token once, to the first person who opens it.'),
  linkExpiresAt: z.string().describe('RFC 3339'),
  ...record
})

const secretAdvice =
  'The result is a secret: give it to that user over a private channel; do not repeat, store or log it.'
const linkAdvice =
  'The result is a link that shows the token once, within minutes: give it to that user over a private ' +
    'channel; do not open it.'

export function createGenerateToken (options: MintingOptions): Tool {
  const { policy = 'admin-tokens', link, audit = noAudit } = options
  return defineTool({
    name: 'generate-token',
    title: 'Generate a token',
    description: 'Creates a JWT with which another user can call this server. ' +
      `${link === undefined ? secretAdvice : linkAdvice}`,
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    access: { roles: ['admin'], allow: principal => mayMint(principal, policy) },
    input,
    output: link === undefined ? withToken : withLink,
    handler: async (wish, { principal, requestId }) => {
      if ((await kept(link?.links.isFull())) === true) throw tooManyLinks()
      const { token, id, issuedAt, expiresAt } = await mint(wish, principal, options)
      const { userId, role, scopes } = wish
      audit(
        'token-minted',
        { jti: id, subject: userId, role, scopes, expiresAt: timeText(expiresAt) },
        { principal, requestId }
      )
      const common = { id, userId, role, scopes: [...scopes], expiresAt: timeText(expiresAt) }
      if (link === undefined) return { structuredContent: { token, ...common } }
      const minted = { id: tokenPrincipalId(userId), tokenId: id, issuedAt }
      const offer = await kept(link.links.offer({ token, userId, role, expiresAt: common.expiresAt }, minted))
      if (offer === undefined) throw tooManyLinks()
      return {
        structuredContent: { link: link.url(offer.code), linkExpiresAt: timeText(offer.expiresAt), ...common }
      }
    }
  })
}

function tooManyLinks (): Error {
  return new UnavailableError(retryLater(60_000, { reason: 'too many links are open' }))
}

async function mint (
  { userId, role, scopes, expiresIn }: Wish,
  principal: Principal,
  { secret, maxTtlSeconds, state, issuer, audience }: MintingOptions
) {
  const end = endFor(principal, state)
  const seconds =
    expiresIn === undefined
      ? Math.max(1, Math.floor(Math.min(86_400, maxTtlSeconds, (end - Date.now()) / 1000)))
      : parseLifetime(expiresIn)
  if (seconds > maxTtlSeconds) throw new PublicToolError(`expiresIn: at most ${maxTtlSeconds} seconds`)
  if (Date.now() + seconds * 1000 > end) {
    throw new PublicToolError(`expiresIn: cannot outlive your own credential, which ends at ${timeText(end)}`)
  }
  const excess = excessOf(principal, role, scopes)
  if (excess !== undefined) throw new PublicToolError(`${excess}: cannot exceed your own`)
  const minted = mintToken(userId, role, String(seconds), {
    secret,
    scopes,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience })
  })
  const { id, expiresAt } = minted
  const isRecorded = await kept(
    state.mint(
      {
        kind: 'minted',
        id,
        subject: userId,
        role,
        scopes,
        at: Date.now(),
        expiresAt,
        by: authorOf(principal)
      },
      principal
    )
  )
  if (!isRecorded) throw new PublicToolError('Your own credential was revoked in the meantime')
  return minted
}

/**
 * When a token created by `minter` must expire: with the minter's key, or with its token if that came from a
 * key. Otherwise a key for an hour could be turned into a token for a month. Other tokens set no limit,
 * because those of identity providers expire within minutes.
 */
function endFor (minter: Principal, state: Ledger): number {
  return isOfKey(minter, state) ? minter.expiresAt ?? Infinity : Infinity
}

/** True for a key, and for a token that was created with a key, directly or through other tokens. */
function isOfKey (minter: Pick<Principal, 'keyId' | 'tokenId'>, state: Ledger): boolean {
  if (minter.keyId !== undefined) return true
  const by = minter.tokenId === undefined ? undefined : state.find(minter.tokenId)?.by
  return by !== undefined && isOfKey(by, state)
}
