/** API keys from a list: compared in constant time, turned into principals. */
import { timingSafeEqual } from 'node:crypto'
import { after, type Eventually } from '../lib/eventually.js'
import { sha256 } from '../lib/sha256.js'
import { isVerified, maxCredentialLength, type Rejected, type Verdict, type Verified } from '../principal/presented.js'
import { isUnmanaged, type KeyReference, type KeyRing, type Referred } from './ring.js'
import type { AskedKey } from '../principal/presented.js'
import { freezePrincipal } from '../principal/principal.js'

const unknownKey: Rejected = Object.freeze({ reason: 'the API key is unknown' })

/**
 * Makes the judge of keys, which takes the SHA-256 of a presented key in hex. A listed key's
 * principal has the role `user`, no scopes, and an id made of its digest, never of the key.
 * Throws on a key that no header can carry, and on one listed twice.
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

  // One for all: nothing is awaited between writing and comparing.
  const presented = Buffer.alloc(32)

  return (digest) => {
    presented.write(digest, 'hex')
    let verdict: Verdict = unknownKey
    // No early exit: the time would tell where in the list a key stands.
    for (const candidate of candidates) {
      if (timingSafeEqual(candidate.digest, presented)) verdict = candidate.verified
    }
    return verdict
  }
}

/**
 * Makes the judge of keys from a list and a ring; `undefined` where there is neither. On a key that
 * is in both the ring has the last word: one that was imported and then revoked stays refused.
 */
export function createKeyJudge (
  listed: readonly string[],
  ring: KeyRing | undefined
): ((asked: Omit<AskedKey, 'requestId'>) => Verdict) | undefined {
  const verifyListed = listed.length === 0 ? undefined : createKeyVerifier(listed)
  if (ring === undefined) return verifyListed === undefined ? undefined : ({ digest }) => verifyListed(digest)
  return ({ digest, key, address }) => {
    // Both are always asked, so that the time does not tell which of them a key is in.
    const byList = verifyListed?.(digest) ?? unknownKey
    const byRing = ring.verify({ key, digest }, address)
    return isVerified(byList) && isUnmanaged(byRing) ? byList : byRing
  }
}

/**
 * Makes the function from a reference to the key behind it, as it is today: in the ring, which has the last word,
 * or in the list.
 */
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
type AppKeys = { readonly verify: (asked: AskedKey) => Eventually<Verdict> }

/** Has the app asked for what is in no list and no file. `undefined` where nobody is to be asked. */
export function withAppKeys (
  judge: KeyJudge,
  appKeys: AppKeys | null
): ((asked: AskedKey) => Eventually<Verdict>) | undefined {
  if (appKeys === null || judge === undefined) { return appKeys === null ? judge : asked => appKeys.verify(asked) }
  return asked => {
    const verdict = judge(asked)
    return isUnknownKey(verdict)
      ? after(appKeys.verify(asked), found => (isVerified(found) ? found : verdict))
      : verdict
  }
}

/** True where the verdict is that the key is in no list and no file, in whatever state. */
function isUnknownKey (verdict: Verdict): boolean {
  return verdict === unknownKey || isUnmanaged(verdict)
}

/**
 * The id of a listed key, which it keeps when the key file takes it over. Not the one inside a managed key:
 * what was said of the listed one would be forgotten.
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
