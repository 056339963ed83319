/** From a JWT to the caller it proves: what is checked beyond the signature, and the claims' mapping. */
import { maxCredentialLength, type Rejected, type Verdict } from './credentials.js'
import { freezePrincipal } from './principal.js'

/**
 * Three base64url parts, the last a SHA-256 HMAC in its only canonical spelling: of 43 characters
 * the last carries two unused bits, and a decoder accepts all four forms of it.
 */
const compactHs256 = /^[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]$/
/** Beyond this no `Date` exists. */
const maxDateMs = 8.64e15

/**
 * Makes the judge of HS256 tokens (RFC 7519). `verify` checks algorithm and signature and returns
 * the decoded `{ header, payload }`; whatever it throws is a refusal. No clock tolerance.
 */
export function createTokenVerifier (verify: (token: string) => unknown): (token: string) => Verdict {
  return (token) => {
    if (token.length > maxCredentialLength || !compactHs256.test(token)) return rejected('the token is no HS256 JWT')
    let decoded: unknown
    try {
      decoded = verify(token)
    } catch (error) {
      return rejected(`the token does not verify (${codeOf(error)})`)
    }
    return judge(decoded, Date.now())
  }
}

/** Checks types and times again: a library's idea of an acceptable claim is wider than ours. */
function judge (decoded: unknown, nowMs: number): Verdict {
  if (!isObject(decoded) || !isObject(decoded.header) || !isObject(decoded.payload)) return rejected('the token holds no claims')
  const { header, payload: { sub, exp, nbf, iat, jti, role, scope } } = decoded
  // RFC 7515 §4.1.11: none of the extensions is understood here, not even an empty list of them.
  if ('crit' in header) return rejected('the token has a crit header')
  if (typeof sub !== 'string' || sub === '') return rejected('sub is no text')
  if (!isDate(exp)) return rejected('exp is no time')
  if (exp * 1000 <= nowMs) return rejected('the token has expired')
  if (nbf !== undefined && !(isDate(nbf) && nbf * 1000 <= nowMs)) return rejected('nbf is no time, or in the future')
  if (iat !== undefined && !(isDate(iat) && iat * 1000 <= nowMs)) return rejected('iat is no time, or in the future')
  if (jti !== undefined && typeof jti !== 'string') return rejected('jti is no text')
  const principal = freezePrincipal({
    id: `jwt:${sub}`,
    role: role === 'admin' ? 'admin' : 'user',
    scopes: scopesOf(scope),
    method: 'jwt',
    expiresAt: Math.floor(exp * 1000),
    ...(jti === undefined ? {} : { tokenId: jti }),
    ...(iat === undefined ? {} : { issuedAt: Math.floor(iat * 1000) })
  })
  return Object.freeze(jti === undefined ? { principal } : { principal, tokenId: jti })
}

/** RFC 8693 §4.2: one text with spaces between. Anything else gives no right, as with a role that is not known. */
function scopesOf (scope: unknown): string[] {
  return typeof scope === 'string' ? scope.split(' ').filter(one => one !== '') : []
}

/** Seconds since the epoch that a `Date` can hold: `1e99` is a number, but no time. */
function isDate (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value * 1000 <= maxDateMs
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function rejected (reason: string): Rejected {
  return { reason }
}

/** The library's code; its message may hold pieces of the token. */
function codeOf (error: unknown): string {
  return isObject(error) && typeof error.code === 'string' ? error.code : 'no code'
}
