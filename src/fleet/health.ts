/** The health of the connection to the shared store, for `/ready`, metrics and the log. */

export interface FleetHealth {
  /** `alone`: nothing is shared. `degraded`: the store is unavailable, and its fallback policy applies. */
  readonly state: 'alone' | 'ok' | 'degraded'
  /** Milliseconds since the epoch. */
  readonly since: number
  /** A constant or the code of an error; `''` without a problem. */
  readonly reason: string
  /** The number of live instances, including this one. */
  readonly instances: number
  /** Milliseconds since the last response of the store. */
  readonly newsAgeMs: number
  /** The number of responses that used a fallback since `since`. */
  readonly byPolicy: number
}

export const alone: FleetHealth = Object.freeze({
  state: 'alone',
  since: 0,
  reason: '',
  instances: 1,
  newsAgeMs: 0,
  byPolicy: 0
})
