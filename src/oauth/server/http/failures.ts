/**
 * Bounds failures at the token endpoint: by client and by grant, never by address, which many users of a
 * host share.
 */
import { createBucketStore } from '../../../limits/memory-buckets.js'

const windowMs = 60_000
const maxByClient = 120
const maxByGrant = 20
const maxInAll = 3000

export interface FailureLimits {
  /**
   * Counts a failure. Returns after how many seconds to try again, where there were too many; `undefined` where
   * there were not. What is good is never asked about, so that nobody can lock a client out by its public id.
   */
  note: (clientId: string | undefined, refreshToken: string | undefined) => number | undefined
}

export function createFailureLimits (): FailureLimits {
  const buckets = createBucketStore({ windowMs })
  return {
    note (clientId = '', refreshToken = '') {
      const [, grant] = /^mcp_refresh_([0-9a-f]{24})_/.exec(refreshToken) ?? []
      const asks: ReadonlyArray<readonly [string, number]> = [
        grant === undefined ? [`client ${clientId}`, maxByClient] : [`grant ${grant}`, maxByGrant],
        ['all', maxInAll]
      ]
      const over = asks
        .map(([key, max]) => ({ max, ...buckets.take(key, 1, max) }))
        .filter(({ current, max }) => current > max)
      return over.length === 0 ? undefined : Math.max(1, ...over.map(({ ttl }) => Math.ceil(ttl / 1000)))
    }
  }
}
