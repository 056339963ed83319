/** Validates the identities that an app returns, because the rest of the package relies on them. */
import { isRecord } from '../lib/guards.js'
import { type OptionNames, requireKeys } from '../lib/require.js'
import type { PrincipalAttributes } from './attributes.js'
import type { Verified } from './presented.js'
import { freezePrincipal, isRole, type Principal, type Role, roleForm } from './principal.js'
import { scopeForm } from './scope.js'

/** The caller that one of the app's keys identifies. */
export interface Identity {
  /**
   * The caller's id, 1 to 256 characters. Limits, sessions and revocations use it. It must not begin like the
   * ids of this package.
   */
  readonly id: string
  /** Default `user`. `admin` may mint and revoke tokens. */
  readonly role?: Role | undefined
  /** Default none. */
  readonly scopes?: readonly string[] | undefined
  /** When the key expires, in milliseconds since the epoch. Left out: never. */
  readonly expiresAt?: number | undefined
  /** The id of the key, for the log, `endpoint.forget` and revocations. Never the key. */
  readonly keyId?: string | undefined
  /** Requests per window for this key alone. Left out: the limit that applies to all callers. */
  readonly rateLimitMax?: number | undefined
  /** Data for tools, access rules and hooks. */
  readonly attributes?: Readonly<PrincipalAttributes> | undefined
}

/** What an app adds to a verified caller. Fields that are left out keep their value. */
export interface Enrichment {
  readonly role?: Role | undefined
  readonly scopes?: readonly string[] | undefined
  /** Applies only if it is earlier than the credential's own expiry. */
  readonly expiresAt?: number | undefined
  readonly rateLimitMax?: number | undefined
  /** Merged into the existing attributes; overwrites those with the same name. */
  readonly attributes?: Partial<PrincipalAttributes> | undefined
}

const ofEnrichments: OptionNames<Enrichment> = {
  role: true,
  scopes: true,
  expiresAt: true,
  rateLimitMax: true,
  attributes: true
}
const ofIdentities: OptionNames<Identity> = { id: true, keyId: true, ...ofEnrichments }
const ofPrincipals: OptionNames<Principal> = {
  id: true,
  role: true,
  roles: true,
  scopes: true,
  method: true,
  attributes: true,
  expiresAt: true,
  issuer: true,
  keyId: true,
  tokenId: true,
  issuedAt: true,
  client: true,
  keyIssuedAt: true
}

/** Ids that belong to this package: `apikey:…`, `user:…`, `jwt:…`, `oauth:…`, `oauth@…:…`. */
const ownIds = /^(?:apikey:|user:|jwt:|oauth)/

/**
 * Converts the answer of `verifyKey` to a caller. Throws a `TypeError` if the answer is invalid. The message
 * repeats nothing of the answer.
 */
export function verifiedIdentity (answer: unknown, key: string): Verified {
  requireKeys('The result of `verifyKey`', answer, ofIdentities)
  const { id, keyId, role = 'user', scopes = [], expiresAt, attributes = {} } = answer as unknown as Identity
  if (!isName(id)) throw new TypeError('`verifyKey`: id must be text of 1 to 256 characters without control characters')
  if (ownIds.test(id)) {
    throw new TypeError(
      '`verifyKey`: id must not begin with apikey:, user:, jwt: or oauth, which this package uses'
    )
  }
  if (keyId !== undefined && !isName(keyId)) {
    throw new TypeError('`verifyKey`: keyId must be text of 1 to 256 characters without control characters')
  }
  // Both appear in every log line.
  if (id.includes(key) || keyId?.includes(key) === true) {
    throw new TypeError('`verifyKey`: id and keyId must not contain the key')
  }
  const rateLimitMax = checked('`verifyKey`', answer)
  const principal = freezePrincipal({
    id,
    role,
    scopes,
    method: 'api-key',
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(keyId === undefined ? {} : { keyId }),
    attributes
  })
  return Object.freeze({ principal, ...rateLimitMax })
}

/**
 * Merges `more` into `verified`. Throws a `TypeError` if `more` is invalid or would change who the caller is.
 */
export function enriched (verified: Verified, more: unknown): Verified {
  if (more === undefined || more === null) return verified
  const { principal } = verified
  requireKeys('The result of `enrich`', more, { ...ofPrincipals, rateLimitMax: true })
  for (const [name, value] of Object.entries(more)) {
    if (!Object.hasOwn(ofEnrichments, name) && value !== (principal as unknown as Record<string, unknown>)[name]) {
      throw new TypeError(`\`enrich\`: ${name} cannot be changed, because limits, sessions and revocations use it`)
    }
  }
  const rateLimitMax = checked('`enrich`', more)
  const { role = principal.role, scopes = principal.scopes, expiresAt, attributes = {} } = more as Enrichment
  const ends = [expiresAt, principal.expiresAt].filter(end => end !== undefined)
  return Object.freeze({
    ...verified,
    ...rateLimitMax,
    principal: freezePrincipal({
      ...withoutRoles(principal, role),
      role,
      scopes,
      ...(ends.length === 0 ? {} : { expiresAt: Math.min(...ends) }),
      attributes: { ...principal.attributes, ...attributes }
    })
  })
}

/** A new role replaces all roles from the identity provider. */
function withoutRoles (principal: Principal, role: Role): Principal {
  if (role === principal.role) return principal
  const { roles: _, ...rest } = principal
  return rest
}

function checked (owner: string, answer: Record<string, unknown>): { rateLimitMax?: number } {
  const { role, scopes, expiresAt, rateLimitMax, attributes } = answer
  if (role !== undefined && !isRole(role)) throw new TypeError(`${owner}: role ${roleForm}`)
  if (
    scopes !== undefined &&
    !(Array.isArray(scopes) && scopes.every(scope => typeof scope === 'string' && scopeForm.test(scope)))
  ) {
    throw new TypeError(
      `${owner}: scopes must be an array of printable ASCII without spaces, quotes and backslashes`
    )
  }
  if (expiresAt !== undefined && !Number.isFinite(expiresAt)) {
    throw new TypeError(`${owner}: expiresAt must be milliseconds since the epoch`)
  }
  if (attributes !== undefined && !isRecord(attributes)) throw new TypeError(`${owner}: attributes must be an object`)
  if (rateLimitMax === undefined) return {}
  if (!Number.isSafeInteger(rateLimitMax) || Number(rateLimitMax) < 1) {
    throw new TypeError(`${owner}: rateLimitMax must be a whole number from 1`)
  }
  return { rateLimitMax: Number(rateLimitMax) }
}

function isName (text: unknown): text is string {
  return typeof text === 'string' && text.trim() !== '' && text.length <= 256 && !/[\p{Cc}\p{Cs}]/u.test(text)
}
