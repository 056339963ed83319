/** Verifies a JWT of this server and returns its caller: the checks beyond the signature. */
import { createHmac } from 'node:crypto'
import { claimedHeader, claimedPayload, readClaims, scopesOf, type ClaimRules } from './claims.js'
import { keyAsToken, maxCredentialLength, rejected, type Verdict } from '../principal/presented.js'
import { tokenPrincipalId } from '../principal/principal.js'
import { namesOfClaims, tokenPrincipal } from './token-principal.js'
import { codeOf, isRecord } from '../lib/guards.js'

/**
 * Three base64url parts, the last a SHA-256 HMAC in its only canonical spelling: of 43 characters
 * the last carries two unused bits, and a decoder accepts all four forms of it.
 */
const compactHs256 = /^[\w-]+\.[\w-]+\.[\w-]{42}[AEIMQUYcgkosw048]$/

/** One of the secrets that tokens may be signed with. */
export interface TokenSecret {
  /** Its `kidOf`, which its tokens name. */
  readonly kid: string
  /** Checks algorithm and signature and returns the decoded `{ header, payload }`; whatever it throws is a refusal. */
  readonly verify: (token: string) => unknown
}

/** What tokens call a secret: tells the secrets of a rotation apart, and nothing of any. */
export function kidOf (secret: string): string {
  return createHmac('sha256', secret).update('fastify-mcp-auth kid').digest('base64url').slice(0, 11)
}

/**
 * Makes the judge of HS256 tokens (RFC 7519). A token that names one of the secrets is checked with
 * that one, any other with all of them, in their order.
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
    // The signature is checked before the times, so that these claims are ours.
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
  // A kid of somebody else's making was never refused here, and proves nothing either way.
  return named.length === 0 ? secrets : named
}

/** fast-jwt's, of a token whose signature is good. */
const expiredCode = 'FAST_JWT_EXPIRED'

/** What the token says, or a code for why none of the secrets verifies it. */
function decode (token: string, secrets: readonly TokenSecret[]): { token: unknown } | string {
  let code = 'no secret'
  for (const { verify } of secrets) {
    try {
      return { token: verify(token) }
    } catch (error) {
      // Not its message, which may hold pieces of the token.
      code = codeOf(error, 'no code')
      // No other secret can say more.
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
  // RFC 7515 §4.1.11: none of the extensions is understood here, not even an empty list of them.
  if ('crit' in header) return rejected('the token has a crit header')
  const claims = readClaims(payload, rules, Date.now())
  if (typeof claims === 'string') return rejected(claims, namesOfClaims('jwt', payload))
  return tokenPrincipal({
    id: tokenPrincipalId(claims.sub),
    role: payload.role === 'admin' ? 'admin' : 'user',
    scopes: scopesOf(payload.scope)
  }, { claims: payload, sound: claims }, rules)
}
