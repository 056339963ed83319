/** The records of the state: who minted which token, and what was revoked. They contain no tokens. */
import type { Principal, OwnRole } from '../principal/principal.js'
import type { FreezeRecord } from '../freeze/freezes.js'
import { isTarget } from '../freeze/target.js'
import { isRecord } from '../lib/guards.js'

/** The author of a change: a principal and its credential, or `cli` for the command line. */
export interface Author {
  /** A principal's id, or `cli`. No principal has that id, because ids of principals contain a colon. */
  readonly principal: string
  /** The `jti` of the token, if the author used a token with a `jti`. */
  readonly tokenId?: string
  /** The id of the API key, if the author used one. */
  readonly keyId?: string
}

export const commandLine: Author = Object.freeze({ principal: 'cli' })

/** A token that was minted here. Times are in milliseconds since the epoch. */
export interface Minted {
  readonly kind: 'minted'
  /** The `jti`. */
  readonly id: string
  readonly subject: string
  readonly role: OwnRole
  readonly scopes: readonly string[]
  readonly at: number
  readonly expiresAt: number
  readonly by: Author
}

/** `until`: when the token expires by itself; null if that is not known. */
export interface TokenRevoked {
  readonly kind: 'token-revoked'
  readonly id: string
  readonly until: number | null
  readonly at: number
  readonly by: Author
}

/** Has no `until`: a revoked key stays revoked. */
export interface KeyRevoked {
  readonly kind: 'key-revoked'
  readonly id: string
  readonly at: number
  readonly by: Author
}

/**
 * Revokes everything issued to a principal up to a time. Kept for ever, because the expiries are not known.
 */
export interface SubjectRevoked {
  readonly kind: 'subject-revoked'
  /** The principal's id. */
  readonly id: string
  readonly before: number
  readonly at: number
  readonly by: Author
}

export type Revocation = TokenRevoked | KeyRevoked | SubjectRevoked

/** Clears failures from an address up to a time. Has no effect once the longest lock would have ended. */
export interface AddressUnlocked {
  readonly kind: 'address-unlocked'
  /** The key of the address limit: an IPv4 address, or the /64 of an IPv6 address. */
  readonly id: string
  readonly at: number
  readonly by: Author
}

/** A freeze or thaw by an operator; `id` is the target. */
export interface Switched extends FreezeRecord {
  readonly by: Author
}

export type LedgerRecord = Minted | Revocation | AddressUnlocked | Switched

export function authorOf ({ id, tokenId, keyId }: Principal): Author {
  return { principal: id, ...(tokenId === undefined ? {} : { tokenId }), ...(keyId === undefined ? {} : { keyId }) }
}

/** The record, or `undefined` for anything else, such as a record of a later version, which is skipped. */
export function readRecord (value: unknown): LedgerRecord | undefined {
  if (
    !isRecord(value) ||
    typeof value.id !== 'string' ||
    typeof value.at !== 'number' ||
    !isRecord(value.by) ||
    typeof value.by.principal !== 'string'
  ) { return undefined }
  return hasShape(value) ? value as unknown as LedgerRecord : undefined
}

function hasShape ({ kind, id, subject, role, scopes, expiresAt, until, before }: Record<string, unknown>): boolean {
  switch (kind) {
    case 'minted':
      return (
        typeof subject === 'string' &&
        (role === 'admin' || role === 'user') &&
        Array.isArray(scopes) &&
        typeof expiresAt === 'number'
      )
    case 'token-revoked': return until === null || typeof until === 'number'
    case 'key-revoked':
    case 'address-unlocked': return true
    case 'subject-revoked': return typeof before === 'number'
    case 'frozen':
    case 'thawed': return typeof id === 'string' && isTarget(id)
    default: return false
  }
}
