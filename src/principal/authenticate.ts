/** Verifies all credentials of a request: every one must be valid. */
import { after, type Eventually } from '../lib/eventually.js'
import { sha256 } from '../lib/sha256.js'
import type { AskedKey } from './presented.js'
import { isVerified, keyAsToken, namesOf, type Presented, rejected, type Rejected, type Verdict } from './presented.js'
import type { KnownCredentials } from './known-credentials.js'
import { freezePrincipal, type Principal } from './principal.js'

export interface Verifiers {
  /**
   * Judges a key by its SHA-256 in hex, its text and the request that it came with. Rejects (or throws)
   * only on a fault. Left out: no key is good.
   */
  readonly verifyKey?: ((asked: AskedKey) => Eventually<Verdict>) | undefined
  /** Judges a token. Rejects (or throws) only on a fault. Left out: no token is good. */
  readonly verifyToken?: ((token: string) => Eventually<Verdict>) | undefined
  /** Told of what proved good, and asked before a token is verified again. */
  readonly known?: KnownCredentials | undefined
  /**
   * Asked on every request, also for what is known; of a bad key it is asked for nobody. Left out: nothing
   * is revoked.
   */
  readonly isRevoked?: ((principal: Principal) => boolean) | undefined
  /**
   * Asked of a token that is known: false has it verified again, because its rights are other ones now.
   * Left out: they never are.
   */
  readonly isCurrent?: ((principal: Principal) => boolean) | undefined
  /** Told whom a key let in, after all was asked. Left out: nobody is told. */
  readonly onKeyUse?: ((principal: Principal) => void) | undefined
}

export const nothingPresented: Rejected = Object.freeze({ reason: 'no credential was presented' })
/** As little as nothing; the log tells who forgot the word. */
const otherScheme: Rejected = Object.freeze({
  reason: 'no credential was presented: the scheme of Authorization is not Bearer'
})
const noKeys: Rejected = Object.freeze({ reason: 'API keys are not accepted here' })
const revoked = (principal: Principal): Rejected => rejected('the credential was revoked', namesOf(principal))
/** True where nothing was presented that could be judged. */
export function isNothing (verdict: Verdict): boolean {
  return verdict === nothingPresented || verdict === otherScheme
}

/** Whom a bad key is asked for: a revoked one must not be told by the time of one more question. */
const nobody = freezePrincipal({ id: 'apikey:', role: 'user', scopes: [], method: 'api-key', keyId: '' })
const noTokens: Rejected = Object.freeze({ reason: 'tokens are not accepted here' })

/** However long an address is to be spared. */
const longestUnverifiedMs = 300_000

/**
 * Makes the judge of requests. With a key and a token both must be good, and the key names the
 * principal. The verdict is a promise only where a verifier's is. `address` is the caller's.
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

  // Always compared anew: a look-up of known keys would take its time from which keys there are.
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
    // Verified again at half time, so that a token in use never ceases to be known; and soon, because its
    // issuer may withdraw the key.
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
    // A bad key ends it: beside a token that can't be judged right now, guesses at keys would go uncounted.
    return after(judgeKey(key, address, requestId), byKey =>
      !isVerified(byKey)
        ? byKey
        : after(judgeToken(token), byToken => (isVerified(byToken) ? noted(byKey) : byToken))
    )
  }
}
