/** The health of the connection to the shared store, for `/ready`, metrics and the log. */

export interface FleetHealth {
  /** `alone`: nothing is shared. `degraded`: the policy for a store that is away is in force. */
  readonly state: 'alone' | 'ok' | 'degraded'
  /** Milliseconds since the epoch. */
  readonly since: number
  /** A constant or an error's code; `''` where all is well. */
  readonly reason: string
  /** How many are alive, this one included. */
  readonly instances: number
  /** Milliseconds since the last word from the store. */
  readonly newsAgeMs: number
  /** What was answered by policy since `since`. */
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
