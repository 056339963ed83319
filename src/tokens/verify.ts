/** Verifies a JWT of this server, including the checks beyond the signature, and returns its caller. */
import { createHmac } from 'node:crypto'
import { claimedHeader, claimedPayload, readClaims, scopesOf, type ClaimRules } from './claims.js'
import { keyAsToken, maxCredentialLength, rejected, type Verdict } from '../principal/presented.js'
import { tokenPrincipalId } from '../principal/principal.js'
import { namesOfClaims, tokenPrincipal } from './token-principal.js'
import { codeOf, isRecord } from '../lib/guards.js'

/**
 * Three base64url parts. The last is a SHA-256 HMAC of 43 characters in canonical form: the last character
 * has two unused bits, and a decoder would accept all four variants.
 */
const compactHs256 = /^[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]$/

/** A secret that may sign tokens. */
export interface TokenSecret {
  /** The `kid` of its tokens; see `kidOf`. */
  readonly kid: string
  /**
   * Checks algorithm and signature, and returns the decoded `{ header, payload }`. Throwing means a refusal.
   */
  readonly verify: (token: string) => unknown
}

/** The `kid` for a secret. It distinguishes the secrets of a rotation without revealing them. */
export function kidOf (secret: string): string {
  return createHmac('sha256', secret).update('fastify-mcp-auth kid').digest('base64url').slice(0, 11)
}

/**
 * Creates the verifier of HS256 tokens (RFC 7519). A token whose `kid` names a secret is checked with that
 * one; any other token with all secrets, in order.
 */
export function createTokenVerifier (
  secrets: readonly TokenSecret[],
  rules: ClaimRules = {}
): (token: string) => Verdict {
  return token => {
    if (token.length > maxCredentialLength || !compactHs256.test(token)) {
      return token.includes('.') ? rejected('the token is not an HS256 JWT') : keyAsToken
    }
    const decoded = decode(token, candidates(token, secrets))
    if (typeof decoded !== 'string') return judge(decoded.token, rules)
    // fast-jwt checks the signature before the times, so the claims of an expired token can be trusted.
    return rejected(
      `the token does not verify (${decoded})`,
      decoded === expiredCode ? namesOfClaims('jwt', claimedPayload(token)) : undefined
    )
  }
}

function candidates (token: string, secrets: readonly TokenSecret[]): readonly TokenSecret[] {
  if (secrets.length === 1) return secrets
  const { kid } = claimedHeader(token)
  const named = secrets.filter((secret) => secret.kid === kid)
  // An unknown kid is ignored: a token may have a kid from another program that shares the secret.
  return named.length === 0 ? secrets : named
}

/** fast-jwt's code for an expired token with a valid signature. */
const expiredCode = 'FAST_JWT_EXPIRED'

/** The decoded token, or the code of the failure if no secret verifies it. */
function decode (token: string, secrets: readonly TokenSecret[]): { token: unknown } | string {
  let code = 'no secret'
  for (const { verify } of secrets) {
    try {
      return { token: verify(token) }
    } catch (error) {
      // Uses the code only: the message may contain parts of the token.
      code = codeOf(error, 'no code')
      // The signature was valid, so no other secret can verify it.
      if (code === expiredCode) return code
    }
  }
  return code
}

function judge (decoded: unknown, rules: ClaimRules): Verdict {
  if (!isRecord(decoded) || !isRecord(decoded.header) || !isRecord(decoded.payload)) {
    return rejected('the token has no claims')
  }
  const { header, payload } = decoded
  // RFC 7515 §4.1.11: no extension is supported, and an empty list is invalid.
  if ('crit' in header) return rejected('the token has a crit header')
  const claims = readClaims(payload, rules, Date.now())
  if (typeof claims === 'string') return rejected(claims, namesOfClaims('jwt', payload))
  return tokenPrincipal({
    id: tokenPrincipalId(claims.sub),
    role: payload.role === 'admin' ? 'admin' : 'user',
    scopes: scopesOf(payload.scope)
  }, { claims: payload, sound: claims }, rules)
}
