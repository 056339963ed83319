/** What the exchanges of an endpoint have in common. */
import type { Tracing } from '../../telemetry/tracing.js'
import type { AppContext } from '../../tools/app-context.js'
import type { Deadlines } from './deadlines.js'
import type { RunningCalls } from './running-calls.js'

export interface Shared {
  readonly deadlines?: Deadlines
  readonly running?: RunningCalls
  readonly tracing?: Tracing | undefined
  /** What the app gives its handlers. */
  readonly app?: AppContext
}
