/** Refuses to create keys that a revocation by `tokens` would cover. */
import { sha256 } from '../../lib/sha256.js'
import { listedKeyId } from '../../api-keys/listed-keys.js'
import { KeyChangeError } from '../../api-keys/changes.js'
import type { KeyRecord } from '../../api-keys/record.js'
import { keyIdOf } from '../../api-keys/format.js'
import type { KeyFilePlace } from './desk.js'
import { credentialOf } from './views.js'

/**
 * Throws if a revocation of the owner also covers a new key: it may reach into the future by
 * `JWT_CLOCK_TOLERANCE`, or because the clock was ahead.
 */
export function requireLiving (records: readonly KeyRecord[], isRevoked: KeyFilePlace['isRevoked']): void {
  const revoked = records.find(record => isRevoked(credentialOf(record)))
  if (revoked !== undefined) {
    throw new KeyChangeError(
      `No key was created: a recent revocation of ${revoked.owner} with "tokens" would also cover it. ` +
        'Try again later, or choose another owner. JWT_CLOCK_TOLERANCE, or a clock that was ahead, extends ' +
          'the wait'
    )
  }
}

/**
 * Throws if one of the keys was revoked. Checks them like keys of `API_KEYS`, without an issue time: the time
 * of the import would be after every revocation.
 */
export function requireUnrevoked (keys: readonly string[], { isRevoked }: KeyFilePlace): void {
  for (const key of keys) {
    const ids = [listedKeyId(sha256(key)), keyIdOf(key)].filter(id => id !== undefined)
    const revoked = ids.find(keyId => isRevoked({ id: `apikey:${keyId}`, keyId }))
    if (revoked !== undefined) {
      throw new KeyChangeError(
        `The key ${revoked} was revoked with "tokens". Nothing was imported: create another key`
      )
    }
  }
}
