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
  /** The scopes for the `scope` claim; see `checkScopes`. Left out or empty: no such claim. */
  readonly scopes?: readonly string[]
  /** The `iss` claim. Left out: none. */
  readonly issuer?: string
  /** The `aud` claim. Left out: none. */
  readonly audience?: string
}

/** A new token with the data for its record. */
export interface MintedToken {
  /** The token itself. It is a credential. */
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

/** Like `generateToken`, but also returns the data for a record of the token. */
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
  // After a rotation of secrets, the kid tells which one signed this token.
  const sign = createSigner({ key: secret, algorithm: 'HS256', kid: kidOf(secret) })
  // JSON leaves out undefined members.
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
 * Throws a `RangeError` unless `userId` is text of 1 to 256 characters, without control characters, not only
 * white space, not a credential, and without the prefix of a principal id.
 */
export function checkUserId (userId: string): void {
  // Lone surrogates (Cs) are refused as well: their encodings are equal, so they would be one user.
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
  // The user id appears in every log line of that user.
  if (holdsWholeCredential(userId)) {
    throw new RangeError('That is a credential, not a user id: pass a name such as ada')
  }
  // For a user with the id `jwt:ada`, a revocation of `jwt:ada` would revoke the user ada instead.
  if (readsLikePrincipal(userId)) {
    throw new RangeError(
      'A user id must not begin with jwt:, user:, apikey: or oauth:, like the ids of callers: pass only the ' +
        'name, such as ada'
    )
  }
}

/**
 * Throws a `RangeError` unless there are at most 64 scopes, each of 1 to 128 allowed characters (RFC 6749
 * §3.3), and none is a credential.
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
  // Scopes appear in the token and in its record.
  if (scopes.some(text => holdsWholeCredential(text))) {
    throw new RangeError('One of the scopes is a credential: pass names such as files:read')
  }
}
