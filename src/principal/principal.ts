/** Who is calling. A principal is frozen and holds no credential or part of one. */

export type Role = 'admin' | 'user'

export interface Principal {
  /** `apikey:<key id>` for an API key, `user:<owner>` for one that has an owner, `jwt:<sub>` for a token, `oauth:<sub>` for one of an identity provider: name spaces that never meet. */
  readonly id: string
  readonly role: Role
  readonly scopes: readonly string[]
  readonly method: 'api-key' | 'jwt'
  /** When the credential ends, in milliseconds since the epoch. Absent: it does not end. */
  readonly expiresAt?: number
  /** Who issued the token, where an identity provider did; absent for keys and for tokens of this server. */
  readonly issuer?: string
  /** The id of the API key, where one was used. */
  readonly keyId?: string
  /** The token's `jti`, where it has one. */
  readonly tokenId?: string
  /** When the credential was issued, as a token says and a key file knows, in milliseconds since the epoch. */
  readonly issuedAt?: number
}

/** The id of the principal that a token of this server proves. */
export function tokenPrincipalId (subject: string): string {
  return `jwt:${subject}`
}

/**
 * The id of the principal of a token of this server, given as its subject or as the id itself. Throws
 * a `RangeError` on what reads like a caller of another kind: whoever gives that means the caller, and
 * not somebody with a token who is called so. That one is named by the whole id, `jwt:user:ada`.
 */
export function principalIdOf (text: string): string {
  if (text.startsWith('jwt:')) return text
  if (readsLikePrincipal(text)) throw new RangeError('that is the id of a caller, not a user id')
  return tokenPrincipalId(text)
}

/** True where `text` begins as the ids of principals do, of whatever kind. */
export function readsLikePrincipal (text: string): boolean {
  return /^(jwt|user|apikey|oauth):/.test(text)
}

/** Freezes a principal and its scopes, so that no handler can widen its own rights. */
export function freezePrincipal (principal: Principal): Principal {
  return Object.freeze({ ...principal, scopes: Object.freeze([...principal.scopes]) })
}
