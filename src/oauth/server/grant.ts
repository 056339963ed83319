/** A grant: what a person allowed a client to do. */
import type { Author } from '../../ledger/records.js'
import type { Role } from '../../principal/principal.js'
import type { GrantKey } from './grant-keys.js'

/** Times are in milliseconds since the epoch. */
export interface Grant {
  readonly id: string
  readonly client: { readonly id: string, readonly name: string, readonly source: string }
  /** The principal's id. */
  readonly subject: string
  readonly key: GrantKey
  readonly role: Role
  readonly scopes: readonly string[]
  readonly resource: string
  readonly createdAt: number
  /** When the client last got a token. */
  readonly usedAt: number
  /** When the key expires, as known at the sign-in. `null`: never. */
  readonly keyEndsAt: number | null
  /** The number of the newest refresh token. It starts at 1, and each rotation adds one. */
  readonly generation: number
  /** Part of the MAC of the refresh tokens, so that a leaked server secret is not enough to forge one. */
  readonly salt: string
  /** When the last eight refresh tokens were replaced, newest first. */
  readonly rotations: ReadonlyArray<{ readonly generation: number, readonly at: number }>
}

export interface NewGrant extends Omit<Grant, 'id' | 'createdAt' | 'usedAt' | 'generation' | 'salt' | 'rotations'> {
  readonly id: string
}

/** The record of revocations, which is checked at every request. */
export interface GrantLedger {
  isRevoked: (credential: {
    readonly id: string
    readonly tokenId: string
    readonly keyId?: string
    readonly issuedAt?: number
  }) => boolean
  revokeToken: (id: string, by: Author, withMinted?: boolean, until?: number) => Promise<unknown>
}
