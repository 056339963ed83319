/** Verifies API keys from a list in constant time. */
import { timingSafeEqual } from 'node:crypto'
import { after, type Eventually } from '../lib/eventually.js'
import { sha256 } from '../lib/sha256.js'
import { isVerified, maxCredentialLength, type Rejected, type Verdict, type Verified } from '../principal/presented.js'
import { isUnmanaged, type KeyReference, type KeyRing, type Referred } from './ring.js'
import type { AskedKey } from '../principal/presented.js'
import { freezePrincipal } from '../principal/principal.js'

const unknownKey: Rejected = Object.freeze({ reason: 'the API key is unknown' })

/**
 * Creates the function that verifies a key by its SHA-256 in hex. The principal of a listed key has the role
 * `user`, no scopes, and an id derived from the digest, not from the key. Throws if a key cannot be sent in a
 * header or is listed twice.
 */
export function createKeyVerifier (keys: readonly string[]): (digest: string) => Verdict {
  const digests = new Set<string>()
  for (const key of keys) {
    requireUsable(key)
    const digest = sha256(key)
    if (digests.has(digest)) throw new Error('An API key is listed twice')
    digests.add(digest)
  }
  const candidates = [...digests].map(digest => ({
    digest: Buffer.from(digest, 'hex'),
    verified: verifiedKey(digest)
  }))

  // One buffer for all calls: nothing is awaited between writing and comparing.
  const presented = Buffer.alloc(32)

  return (digest) => {
    presented.write(digest, 'hex')
    let verdict: Verdict = unknownKey
    // No early exit: the time would reveal the position of the key in the list.
    for (const candidate of candidates) {
      if (timingSafeEqual(candidate.digest, presented)) verdict = candidate.verified
    }
    return verdict
  }
}

/**
 * Creates the function that verifies keys from a list and a ring; `undefined` if there is neither. For a key
 * in both, the ring decides: a key that was imported and then revoked stays refused.
 */
export function createKeyJudge (
  listed: readonly string[],
  ring: KeyRing | undefined
): ((asked: Omit<AskedKey, 'requestId'>) => Verdict) | undefined {
  const verifyListed = listed.length === 0 ? undefined : createKeyVerifier(listed)
  if (ring === undefined) return verifyListed === undefined ? undefined : ({ digest }) => verifyListed(digest)
  return ({ digest, key, address }) => {
    // Both are always checked, so that the time does not reveal which of them holds the key.
    const byList = verifyListed?.(digest) ?? unknownKey
    const byRing = ring.verify({ key, digest }, address)
    return isVerified(byList) && isUnmanaged(byRing) ? byList : byRing
  }
}

/** Creates the function that looks up the current key for a reference: in the ring, then in the list. */
export function createKeyLookup (
  listed: readonly string[],
  ring: KeyRing | undefined
): (reference: KeyReference) => Referred {
  const byId = new Map(
    listed.map(key => {
      const digest = sha256(key)
      return [listedKeyId(digest), verifiedKey(digest)]
    })
  )
  return reference => {
    const managed = ring?.current?.(reference)
    if (managed !== undefined) return managed
    const verified = reference.issuedAt === undefined ? byId.get(reference.keyId) : undefined
    return verified === undefined
      ? { verdict: unknownKey, maySignIn: false }
      : { verdict: verified, maySignIn: true }
  }
}

type KeyJudge = ReturnType<typeof createKeyJudge>
type AppKeyLookup = { readonly verify: (asked: AskedKey) => Eventually<Verdict> }

/** Adds the app's look-up for keys in neither list nor file. `undefined` if there is no verifier. */
export function withAppKeys (
  judge: KeyJudge,
  appKeys: AppKeyLookup | null
): ((asked: AskedKey) => Eventually<Verdict>) | undefined {
  if (appKeys === null || judge === undefined) { return appKeys === null ? judge : asked => appKeys.verify(asked) }
  return asked => {
    const verdict = judge(asked)
    return isUnknownKey(verdict)
      ? after(appKeys.verify(asked), found => (isVerified(found) ? found : verdict))
      : verdict
  }
}

/** True if the verdict says that the key is in neither list nor file, in any state. */
function isUnknownKey (verdict: Verdict): boolean {
  return verdict === unknownKey || isUnmanaged(verdict)
}

/**
 * The id of a listed key. The key keeps it when it is imported into the key file. The id inside a managed key
 * is not used: revocations and limits of the listed key would be lost on import.
 */
export function listedKeyId (digest: string): string {
  return digest.slice(0, 12)
}

function verifiedKey (digest: string): Verified {
  const keyId = listedKeyId(digest)
  const principal = freezePrincipal({ id: `apikey:${keyId}`, role: 'user', scopes: [], method: 'api-key', keyId })
  return Object.freeze({ principal })
}

function requireUsable (key: string): void {
  if (
    typeof key !== 'string' ||
    key.trim() !== key ||
    !/^[\x20-\x7e]+$/.test(key) ||
    key.length > maxCredentialLength
  ) {
    throw new Error(
      'An API key must be printable ASCII without white space around it, because headers change other keys'
    )
  }
}
