/** Counts managed keys by state, and finds the next expiry. */
import type { KeyRecord } from './record.js'

export type KeyState = 'good' | 'expired' | 'disabled' | 'revoked'

function stateOf ({ revokedAt, disabled, expiresAt }: KeyRecord, now: number): KeyState {
  if (revokedAt !== undefined) return 'revoked'
  if (expiresAt !== undefined && Date.parse(expiresAt) <= now) return 'expired'
  return disabled ? 'disabled' : 'good'
}

export function countKeys (records: readonly KeyRecord[], now: number): Readonly<Record<KeyState, number>> {
  const counts = { good: 0, expired: 0, disabled: 0, revoked: 0 }
  for (const record of records) counts[stateOf(record, now)] += 1
  return counts
}

const dayMs = 86_400_000

/** Days until the next valid key expires; `+Inf` if none expires. */
export function nextExpiryDays (records: readonly KeyRecord[], now: number): number {
  let first = Infinity
  for (const record of records) {
    if (record.expiresAt !== undefined && stateOf(record, now) === 'good') {
      first = Math.min(first, Date.parse(record.expiresAt))
    }
  }
  return (first - now) / dayMs
}
