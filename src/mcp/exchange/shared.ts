/** Values shared by all exchanges of an endpoint. */
import type { Tracing } from '../../telemetry/tracing.js'
import type { AppContext } from '../../tools/app-context.js'
import type { Deadlines } from './deadlines.js'
import type { RunningCalls } from './running-calls.js'

export interface Shared {
  readonly deadlines?: Deadlines
  readonly running?: RunningCalls
  readonly tracing?: Tracing | undefined
  /** The app's own values for handlers. */
  readonly app?: AppContext
}
