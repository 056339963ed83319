/** Validates the claims that every token must have, and reads those that differ by issuer. */
import { isRecord } from '../lib/guards.js'

/**
 * Seconds that `iat` may be ahead of our clock. RFC 7519 does not ask to refuse such a token, and clocks
 * always differ a little. Revocations by time use the same tolerance.
 */
export const issueLeewaySeconds = 10

/** The latest time that a `Date` can represent. */
const maxDateMs = 8.64e15

export type Claims = Readonly<Record<string, unknown>>

export interface ClaimRules {
  /** Seconds that the issuer's clock may differ from ours. Default 0. */
  readonly toleranceSeconds?: number | undefined
  /** The claims to copy into `principal.attributes`, by name or path. Default none. */
  readonly principalClaims?: readonly string[] | undefined
  /** Return all claims with the verdict. Default false. */
  readonly keepClaims?: boolean | undefined
  /** The names of this server. An `aud` must contain one of them. Empty: `aud` is not checked. */
  readonly audience?: readonly string[] | undefined
}

/** The validated claims of a token. Times are in milliseconds since the epoch. */
export interface SoundClaims {
  readonly sub: string
  /** When the token is refused: `exp` plus the tolerance. */
  readonly expiresAt: number
  readonly issuedAt?: number
  readonly jti?: string
}

/** The reason for refusing an expired token. */
export const expiredToken = 'the token has expired'

/**
 * Validates the claims. Returns a constant reason for the log if they are invalid. The rules are stricter
 * than those of JWT libraries.
 */
export function readClaims (
  { sub, exp, nbf, iat, jti, aud }: Claims,
  { toleranceSeconds = 0, audience = [] }: ClaimRules,
  nowMs: number
): SoundClaims | string {
  const toleranceMs = toleranceSeconds * 1000
  const isPast = (value: unknown, leewayMs = toleranceMs): boolean =>
    isDate(value) && value * 1000 <= nowMs + leewayMs
  if (typeof sub !== 'string' || sub === '') return 'sub is not a string'
  // Lone surrogates all have the same encoding, so two such users would share limits and stored data.
  if (/\p{Surrogate}/u.test(sub)) return 'sub contains half of a surrogate pair'
  if (!isDate(exp)) return 'exp is not a time'
  if (exp * 1000 + toleranceMs <= nowMs) return expiredToken
  if (nbf !== undefined && !isPast(nbf)) return 'nbf is not a time, or is in the future'
  if (iat !== undefined && !isPast(iat, Math.max(toleranceMs, issueLeewaySeconds * 1000))) {
    return 'iat is not a time, or is in the future'
  }
  if (jti !== undefined && typeof jti !== 'string') return 'jti is not a string'
  if (aud !== undefined && audience.length > 0 && !isFor(aud, audience)) return 'aud is not this server'
  return {
    sub,
    expiresAt: Math.floor(exp * 1000 + toleranceMs),
    ...(isDate(iat) ? { issuedAt: Math.floor(iat * 1000) } : {}),
    ...(jti === undefined ? {} : { jti })
  }
}

/** RFC 7519 §4.1.3: `aud` is one name, or a list that contains one of ours. */
export function isFor (aud: unknown, audience: readonly string[]): boolean {
  return [aud].flat().some(name => typeof name === 'string' && audience.includes(name))
}

/**
 * The claim at a path such as `realm_access.roles`. A claim's name may itself contain dots, as in
 * `https://example.com/roles`, so the longest matching name wins. `undefined` if there is no such claim.
 */
export function claimAt (claims: unknown, path: string): unknown {
  if (!isRecord(claims)) return undefined
  if (Object.hasOwn(claims, path)) return claims[path]
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const name = path.slice(0, dot)
    const found = Object.hasOwn(claims, name) ? claimAt(claims[name], path.slice(dot + 1)) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

/** RFC 8693 §4.2: a space-separated string. Some providers send a list. Anything else grants nothing. */
export function scopesOf (claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter(scope => scope !== '')
  return Array.isArray(claim)
    ? claim.filter(scope => typeof scope === 'string' && scope !== '' && !scope.includes(' '))
    : []
}

/**
 * A compact JWS: three parts in base64url without padding (RFC 7515 §2). A lenient decoder would also accept
 * other spellings of the same bytes.
 */
export const compactJws = /^[\w-]+\.[\w-]+\.[\w-]+$/

/** The unverified header of a token; empty if it cannot be parsed. Use it only to select a key. */
export function claimedHeader (token: string): Claims {
  return partOf(token, 0)
}

/** The unverified payload of a token; empty if it cannot be parsed. */
export function claimedPayload (token: string): Claims {
  return partOf(token, 1)
}

function partOf (token: string, index: number): Claims {
  try {
    const part: unknown = JSON.parse(Buffer.from(token.split('.', index + 1)[index] ?? '', 'base64url').toString())
    return isRecord(part) ? part : {}
  } catch {
    return {}
  }
}

/** Seconds since the epoch that a `Date` can represent: `1e99` is a number, but not a time. */
function isDate (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value * 1000 <= maxDateMs
}
