/** The answer of `/ready`: whether the server should get traffic, and why not. */

/** Constant words, because `/ready` is public: a name or a message would tell a stranger too much. */
export type Reason = 'stopping' | 'keys' | 'state' | 'redis' | 'audit' | 'frozen' | 'upstream'

export interface Problem {
  readonly reason: Reason
  /** True where nothing can be served until it is over. Default false: the server serves, with less. */
  readonly isFatal?: boolean
}

export interface Readiness {
  readonly status: 'ready' | 'degraded' | 'not ready'
  /** Each once, in the order given. */
  readonly reasons: readonly Reason[]
}

export function readinessOf (problems: readonly Problem[]): Readiness {
  const reasons = [...new Set(problems.map(({ reason }) => reason))]
  if (problems.some(({ isFatal }) => isFatal === true)) return { status: 'not ready', reasons }
  return { status: reasons.length === 0 ? 'ready' : 'degraded', reasons }
}
