/** Values shared by all exchanges of an endpoint. */
import type { Tracing } from '../../telemetry/tracing.js'
import type { AppContext } from '../../tools/app-context.js'
import type { Deadlines } from './deadlines.js'
import type { RunningCalls } from './running-calls.js'

export interface ExchangeParts {
  readonly deadlines?: Deadlines
  readonly running?: RunningCalls
  /** Starts the span of a message. The span of a nested call is started by the span around it. */
  readonly tracing?: Pick<Tracing, 'begin'> | undefined
  /** The app's own values for handlers. */
  readonly app?: AppContext
}
