/** What the state is made of: who minted which token, and what was revoked. No token is in it. */
import type { Principal, OwnRole } from '../principal/principal.js'
import type { FreezeRecord } from '../freeze/freezes.js'
import { isTarget } from '../freeze/target.js'
import { isRecord } from '../lib/guards.js'

/** Who did it: a principal with the credential that proved it, or `cli` for the command line. */
export interface Author {
  /** A principal's id, or `cli`, which no principal can have: their ids contain a colon. */
  readonly principal: string
  /** The `jti` of the token, where it was one that has one. */
  readonly tokenId?: string
  /** The id of the API key, where it was one. */
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

/** `until`: when the token would have ended anyway; null where that is not known. */
export interface TokenRevoked {
  readonly kind: 'token-revoked'
  readonly id: string
  readonly until: number | null
  readonly at: number
  readonly by: Author
}

/** A key has no end of its own: it stays revoked. */
export interface KeyRevoked {
  readonly kind: 'key-revoked'
  readonly id: string
  readonly at: number
  readonly by: Author
}

/** All that was issued to a principal up to a time. Nothing says how long that would have lived, so it stays. */
export interface SubjectRevoked {
  readonly kind: 'subject-revoked'
  /** The principal's id. */
  readonly id: string
  readonly before: number
  readonly at: number
  readonly by: Author
}

export type Revocation = TokenRevoked | KeyRevoked | SubjectRevoked

/** What failed from an address up to a time is forgotten. It says nothing once the longest lock would have ended. */
export interface AddressUnlocked {
  readonly kind: 'address-unlocked'
  /** As the limit names the address: an IPv4 address, or the /64 of an IPv6 address. */
  readonly id: string
  readonly at: number
  readonly by: Author
}

/** What an operator switched off, or on again: `id` is the target. */
export interface Switched extends FreezeRecord {
  readonly by: Author
}

export type StateRecord = Minted | Revocation | AddressUnlocked | Switched

export function authorOf ({ id, tokenId, keyId }: Principal): Author {
  return { principal: id, ...(tokenId === undefined ? {} : { tokenId }), ...(keyId === undefined ? {} : { keyId }) }
}

/** A record, or `undefined` for what is none: a later version's, which this one must not stumble over. */
export function readRecord (value: unknown): StateRecord | undefined {
  if (
    !isRecord(value) ||
    typeof value.id !== 'string' ||
    typeof value.at !== 'number' ||
    !isRecord(value.by) ||
    typeof value.by.principal !== 'string'
  ) { return undefined }
  return hasShape(value) ? value as unknown as StateRecord : undefined
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
