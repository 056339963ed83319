/** Creates tokens for hosts, scripts and tests. The only file in this folder that reads the environment. */
import type { OwnRole } from '../principal/principal.js'
import { type MintOptions, mintToken } from './mint.js'

export interface GenerateTokenOptions extends Omit<MintOptions, 'secret'> {
  /** The HS256 secret. Default: the environment variable `JWT_SECRET`. */
  readonly secret?: string
}

/**
 * A signed JWT for a user: `sub`, `role`, `iat`, `exp` and a fresh `jti`. `expiresIn` is a
 * lifetime such as `1h`. Does not check whether the caller may create such a token.
 * Throws a `RangeError` on an invalid user id, role, scope or lifetime, and an `Error` without a secret.
 *
 * @example
 * const token = generateToken('ada', 'user', '1h', { secret, scopes: ['files:read'] })
 */
export function generateToken (
  userId: string,
  role: OwnRole = 'user',
  expiresIn = '24h',
  options: GenerateTokenOptions = {}
): string {
  const { secret = process.env.JWT_SECRET?.trim() ?? '', ...rest } = options
  return mintToken(userId, role, expiresIn, { ...rest, secret }).token
}
