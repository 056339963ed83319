/** What `keys` refuses to make because it was revoked by `tokens`. */
import { sha256 } from '../../lib/sha256.js'
import { listedKeyId } from '../../api-keys/listed-keys.js'
import { KeyChangeError } from '../../api-keys/changes.js'
import type { KeyRecord } from '../../api-keys/record.js'
import { keyIdOf } from '../../api-keys/format.js'
import type { KeyFilePlace } from './desk.js'
import { credentialOf } from './views.js'

/** A revocation may reach beyond now: by `JWT_CLOCK_TOLERANCE`, or where the clock was ahead. */
export function requireLiving (records: readonly KeyRecord[], isRevoked: KeyFilePlace['isRevoked']): void {
  const dead = records.find(record => isRevoked(credentialOf(record)))
  if (dead !== undefined) {
    throw new KeyChangeError(
      `A recent revocation of ${dead.owner} with "tokens" would also cover the new key, so ` +
        'none was created: try again later (JWT_CLOCK_TOLERANCE and a clock that was ahead ' +
          'extend the wait), or choose another owner'
    )
  }
}

/**
 * As the server judges them before they are in the file, without a time of issue: that of the import would
 * be after every revocation.
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
