/** Verifies all credentials of a request: every one must be valid. */
import { after, type Eventually } from '../lib/eventually.js'
import { sha256 } from '../lib/sha256.js'
import type { AskedKey } from './presented.js'
import { isVerified, keyAsToken, namesOf, type Presented, rejected, type Rejected, type Verdict } from './presented.js'
import type { KnownCredentials } from './known-credentials.js'
import { freezePrincipal, type Principal } from './principal.js'

export interface Verifiers {
  /**
   * Verifies a key, given its SHA-256 in hex, its text, and the address and id of the request. Rejects or
   * throws only on a fault. Left out: every key is refused.
   */
  readonly verifyKey?: ((asked: AskedKey) => Eventually<Verdict>) | undefined
  /** Verifies a token. Rejects or throws only on a fault. Left out: every token is refused. */
  readonly verifyToken?: ((token: string) => Eventually<Verdict>) | undefined
  /** The cache of valid credentials. It is read before a token is verified again. */
  readonly known?: KnownCredentials | undefined
  /**
   * Called on every request, also for cached credentials. For an invalid key it is called with a placeholder.
   * Left out: nothing is revoked.
   */
  readonly isRevoked?: ((principal: Principal) => boolean) | undefined
  /**
   * Called for a cached token. If it returns false, the token is verified again, because its rights changed.
   * Left out: cached rights never change.
   */
  readonly isCurrent?: ((principal: Principal) => boolean) | undefined
  /** Called with the principal of a key after every check passed. Left out: nothing is called. */
  readonly onKeyUse?: ((principal: Principal) => void) | undefined
}

export const nothingPresented: Rejected = Object.freeze({ reason: 'no credential was presented' })
/** Treated like a missing credential. The reason in the log helps a caller who forgot the word `Bearer`. */
const otherScheme: Rejected = Object.freeze({
  reason: 'no credential was presented: the scheme of Authorization is not Bearer'
})
const noKeys: Rejected = Object.freeze({ reason: 'API keys are not accepted here' })
const revoked = (principal: Principal): Rejected => rejected('the credential was revoked', namesOf(principal))
/** True if the request presented no credential that could be verified. */
export function isNothing (verdict: Verdict): boolean {
  return verdict === nothingPresented || verdict === otherScheme
}

/** Checked for revocation in place of an invalid key, so that timing does not single out revoked keys. */
const nobody = freezePrincipal({ id: 'apikey:', role: 'user', scopes: [], method: 'api-key', keyId: '' })
const noTokens: Rejected = Object.freeze({ reason: 'tokens are not accepted here' })

/** The longest time before a cached token is verified again, whatever the ttl. */
const longestUnverifiedMs = 300_000

/**
 * Creates the function that verifies a request's credentials. If there are both a key and a token, both must
 * be valid, and the key determines the principal. The verdict is a promise only if a verifier returned one.
 * `address` is the caller's address.
 */
export function createAuthenticator (
  verifiers: Verifiers
): (presented: Presented, address?: string, requestId?: string) => Eventually<Verdict> {
  const {
    verifyKey = () => noKeys,
    verifyToken = token => (token.includes('.') ? noTokens : keyAsToken),
    known,
    isRevoked = () => false,
    isCurrent = () => true,
    onKeyUse = () => {}
  } = verifiers

  function unlessRevoked (verdict: Verdict): Verdict {
    return isVerified(verdict) && isRevoked(verdict.principal) ? revoked(verdict.principal) : verdict
  }

  // Keys are always verified anew: the time of a cache hit would reveal which keys exist.
  function judgeKey (key: string, address: string, requestId: string): Eventually<Verdict> {
    const digest = sha256(key)
    return after(verifyKey({ key, digest, address, requestId }), judged => {
      const isGone = isRevoked(isVerified(judged) ? judged.principal : nobody)
      if (!isVerified(judged)) return judged
      if (isGone) return revoked(judged.principal)
      known?.remember('key', digest, judged)
      return judged
    })
  }

  function noted (verdict: Verdict): Verdict {
    if (isVerified(verdict)) onKeyUse(verdict.principal)
    return verdict
  }

  function judgeToken (token: string): Eventually<Verdict> {
    if (known === undefined) return after(verifyToken(token), unlessRevoked)
    const digest = sha256(token)
    // Verified again at half of the ttl, so that a token in use stays cached; at most after the time above,
    // because its issuer may withdraw the signing key.
    const recalled = known.recall('token', digest, Math.min(known.ttlMs / 2, longestUnverifiedMs))
    if (recalled !== null && isCurrent(recalled.principal)) return unlessRevoked(recalled)
    return after(verifyToken(token), judged => {
      const verdict = unlessRevoked(judged)
      if (isVerified(verdict)) known.remember('token', digest, verdict)
      return verdict
    })
  }

  return ({ key, token, malformed, otherScheme: isForeign }, address = '', requestId = '') => {
    if (malformed !== undefined) return { reason: malformed }
    if (key === undefined && token !== undefined) return judgeToken(token)
    if (key === undefined) return isForeign === true ? otherScheme : nothingPresented
    if (token === undefined) return after(judgeKey(key, address, requestId), noted)
    // An invalid key ends the check. Otherwise guesses would go uncounted next to a token that cannot be
    // verified at the moment (503).
    return after(judgeKey(key, address, requestId), byKey =>
      !isVerified(byKey)
        ? byKey
        : after(judgeToken(token), byToken => (isVerified(byToken) ? noted(byKey) : byToken))
    )
  }
}
