/** Builds the answer of `/ready`: whether the server should get traffic, and if not, why. */

/** Constant words, because `/ready` is public: names and messages could reveal internals. */
export type Reason = 'stopping' | 'keys' | 'state' | 'redis' | 'audit' | 'frozen' | 'upstream'

export interface ReadinessProblem {
  readonly reason: Reason
  /**
   * True if nothing can be served until the problem ends. Default false: the server works with restrictions.
   */
  readonly isFatal?: boolean
}

export interface Readiness {
  readonly status: 'ready' | 'degraded' | 'not ready'
  /** The reasons without duplicates, in the given order. */
  readonly reasons: readonly Reason[]
}

export function readinessOf (problems: readonly ReadinessProblem[]): Readiness {
  const reasons = [...new Set(problems.map(({ reason }) => reason))]
  if (problems.some(({ isFatal }) => isFatal === true)) return { status: 'not ready', reasons }
  return { status: reasons.length === 0 ? 'ready' : 'degraded', reasons }
}
