/** Limits failed requests at the token endpoint, by client and by grant. */
import { createMemoryBuckets } from '../../../limits/memory-buckets.js'

const windowMs = 60_000
// Not by address, because all users of a hosted client share its addresses.
const maxByClient = 120
const maxByGrant = 20
const maxTotal = 3000

export interface FailureLimits {
  /**
   * Counts a failure. Returns the seconds to wait if there were too many, otherwise `undefined`. Valid
   * requests are never checked, so that an attacker cannot lock out a client by its public id.
   */
  note: (clientId: string | undefined, refreshToken: string | undefined) => number | undefined
}

export function createFailureLimits (): FailureLimits {
  const buckets = createMemoryBuckets({ windowMs })
  return {
    note (clientId = '', refreshToken = '') {
      const [, grant] = /^mcp_refresh_([0-9a-f]{24})_/.exec(refreshToken) ?? []
      const limits: ReadonlyArray<readonly [string, number]> = [
        grant === undefined ? [`client ${clientId}`, maxByClient] : [`grant ${grant}`, maxByGrant],
        ['all', maxTotal]
      ]
      const exceeded = limits
        .map(([key, max]) => ({ max, ...buckets.take(key, 1, max) }))
        .filter(({ current, max }) => current > max)
      if (exceeded.length === 0) return undefined
      return Math.max(1, ...exceeded.map(({ ttlMs }) => Math.ceil(ttlMs / 1000)))
    }
  }
}
