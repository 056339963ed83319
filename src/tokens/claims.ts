/** The claims that every token must have, and readers for those that differ by issuer. */
import { isRecord } from '../lib/guards.js'

/**
 * Seconds that `iat` may be ahead of our clock: RFC 7519 gives no reason to refuse for it, and clocks are
 * never quite the same. A revocation by time counts with as much.
 */
export const issueLeewaySeconds = 10

/** Beyond this no `Date` exists. */
const maxDateMs = 8.64e15

export type Claims = Readonly<Record<string, unknown>>

export interface ClaimRules {
  /** Seconds that the issuer's clock may be apart from ours. Default 0. */
  readonly toleranceSeconds?: number | undefined
  /** The claims that the app finds in `principal.attributes`, by name or path. Default none. */
  readonly principalClaims?: readonly string[] | undefined
  /** Hand all claims on. Default false: they are forgotten. */
  readonly keepClaims?: boolean | undefined
  /** Our names: an `aud` that is there must hold one of them. Left out or empty: we don't know ours. */
  readonly audience?: readonly string[] | undefined
}

/**
 * The claims of a token in the form and within the times that they must have. Times in milliseconds since
 * the epoch.
 */
export interface SoundClaims {
  readonly sub: string
  /** From when on the token is refused: `exp`, and the tolerance. */
  readonly expiresAt: number
  readonly issuedAt?: number
  readonly jti?: string
}

/** Why a token is refused that was good once. */
export const expiredToken = 'the token has expired'

/**
 * The claims, or why they are not good: a constant for the log. A library's idea of an acceptable claim is
 * wider than ours.
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

/** RFC 7519 §4.1.3: one name, or a list with ours in it. */
export function isFor (aud: unknown, audience: readonly string[]): boolean {
  return [aud].flat().some(name => typeof name === 'string' && audience.includes(name))
}

/**
 * The claim at a path such as `realm_access.roles`. A name may itself hold dots, as in
 * `https://example.com/roles`: what is there under the longer name wins. `undefined` where nothing is.
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

/** RFC 8693 §4.2: one text with spaces between; some providers write a list. Anything else gives no right. */
export function scopesOf (claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter(scope => scope !== '')
  return Array.isArray(claim)
    ? claim.filter(scope => typeof scope === 'string' && scope !== '' && !scope.includes(' '))
    : []
}

/**
 * The parts of a compact JWS: base64url without padding (RFC 7515 §2), which a lenient decoder would take
 * in other spellings, too.
 */
export const compactJws = /^[\w-]+\.[\w-]+\.[\w-]+$/

/**
 * What a token's header says, before anything is verified; empty where it can't be read. For choosing among
 * keys, no more.
 */
export function claimedHeader (token: string): Claims {
  return partOf(token, 0)
}

/** What a token's payload says, before anything is verified; empty where it can't be read. */
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

/** Seconds since the epoch that a `Date` can hold: `1e99` is a number, but no time. */
function isDate (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value * 1000 <= maxDateMs
}
