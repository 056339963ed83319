/** Creates JWTs, and validates user ids and lifetimes. */
import { randomUUID } from 'node:crypto'
import { createSigner } from 'fast-jwt'
import { parseLifetime } from './lifetime.js'
import { kidOf } from './verify.js'
import { type OwnRole, readsLikePrincipal } from '../principal/principal.js'
import { holdsWholeCredential } from '../principal/credential-forms.js'
import { scopeForm } from '../principal/scope.js'

export interface MintOptions {
  /** The HS256 secret. */
  readonly secret: string
  /** The `scope` claim, as `checkScopes` takes them. Left out or empty: no such claim. */
  readonly scopes?: readonly string[]
  /** The `iss` claim. Left out: none. */
  readonly issuer?: string
  /** The `aud` claim. Left out: none. */
  readonly audience?: string
}

/** A token, and what is on record of it. */
export interface MintedToken {
  /** A credential. */
  readonly token: string
  /** The `jti`. */
  readonly id: string
  /** Milliseconds since the epoch, whole seconds. */
  readonly issuedAt: number
  readonly expiresAt: number
}

const maxUserIdLength = 256
const maxScopes = 64
const maxScopeLength = 128

/** What `generateToken` makes, with what a record of the token needs. Throws as that does. */
export function mintToken (userId: string, role: OwnRole, expiresIn: string, options: MintOptions): MintedToken {
  checkUserId(userId)
  if (role !== 'admin' && role !== 'user') throw new RangeError('role must be "admin" or "user"')
  const lifetimeSeconds = parseLifetime(expiresIn)
  const { secret, scopes = [], issuer: iss, audience: aud } = options
  checkScopes(scopes)
  if (typeof secret !== 'string' || secret.trim() === '') {
    throw new Error('No secret to sign with: set JWT_SECRET, or pass the option `secret`')
  }
  const iat = Math.floor(Date.now() / 1000)
  const exp = iat + lifetimeSeconds
  const jti = randomUUID()
  // The kid survives a rotation: it tells which of the secrets to check this with.
  const sign = createSigner({ key: secret, algorithm: 'HS256', kid: kidOf(secret) })
  // JSON leaves out what is undefined.
  const token = sign({
    iss,
    sub: userId,
    aud,
    role,
    scope: scopes.length === 0 ? undefined : scopes.join(' '),
    iat,
    exp,
    jti
  })
  return { token, id: jti, issuedAt: iat * 1000, expiresAt: exp * 1000 }
}

/**
 * Throws a `RangeError` unless it is text of 1 to 256 characters, not only white space, without control
 * characters, no credential, and not like the id of a principal.
 */
export function checkUserId (userId: string): void {
  // Lone surrogates (Cs) go with the control characters: encoded, they would all be the same user.
  if (
    typeof userId !== 'string' ||
    userId.length > maxUserIdLength ||
    userId.trim() === '' ||
    /[\p{Cc}\p{Cs}]/u.test(userId)
  ) {
    throw new RangeError(
      'A user id must be text of 1 to 256 characters, not only white space, without control characters'
    )
  }
  // It would stand in every log line of that user.
  if (holdsWholeCredential(userId)) {
    throw new RangeError('That is a credential, not a user id: pass a name such as ada')
  }
  // A revocation of `jwt:ada` would revoke ada, and not the user whose id that is.
  if (readsLikePrincipal(userId)) {
    throw new RangeError(
      'A user id must not begin with jwt:, user:, apikey: or oauth:, like the ids of callers: pass only the ' +
        'name, such as ada'
    )
  }
}

/**
 * Throws a `RangeError` unless there are at most 64, each 1 to 128 characters that a `scope` claim may hold
 * (RFC 6749 §3.3), and no credential.
 */
export function checkScopes (scopes: readonly string[]): void {
  if (
    !Array.isArray(scopes) ||
    scopes.length > maxScopes ||
    !scopes.every(
      scope => typeof scope === 'string' && scope.length <= maxScopeLength && scopeForm.test(scope)
    )
  ) {
    throw new RangeError(
      'Pass at most 64 scopes, each 1 to 128 printable ASCII characters without spaces, quotes and backslashes'
    )
  }
  // It would stand in the token, and on record.
  if (scopes.some(text => holdsWholeCredential(text))) {
    throw new RangeError('One of the scopes is a credential: pass names such as files:read')
  }
}
