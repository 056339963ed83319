/** API keys from a list: compared in constant time, turned into principals. */
import { timingSafeEqual } from 'node:crypto'
import { sha256 } from '../digest.js'
import { maxCredentialLength, type Rejected, type Verdict, type Verified } from './credentials.js'
import { freezePrincipal } from './principal.js'

const unknownKey: Rejected = Object.freeze({ reason: 'the API key is not known' })

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
  const candidates = [...digests].map((digest) => ({ digest: Buffer.from(digest, 'hex'), verified: verifiedKey(digest) }))

  return (digest) => {
    const presented = Buffer.from(digest, 'hex')
    let verdict: Verdict = unknownKey
    // No early exit: the time would tell where in the list a key stands.
    for (const candidate of candidates) {
      if (timingSafeEqual(candidate.digest, presented)) verdict = candidate.verified
    }
    return verdict
  }
}

function verifiedKey (digest: string): Verified {
  const keyId = digest.slice(0, 12)
  return Object.freeze({
    principal: freezePrincipal({ id: `apikey:${keyId}`, role: 'user', scopes: [], method: 'api-key', keyId })
  })
}

function requireUsable (key: string): void {
  if (typeof key !== 'string' || key.trim() !== key || !/^[\x20-\x7e]+$/.test(key) || key.length > maxCredentialLength) {
    throw new Error('An API key must be printable ASCII without white space around it: no other arrives in a header as it was sent')
  }
}
