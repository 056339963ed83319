/** Values shared by all exchanges of an endpoint. */
import type { Tracing } from '../../telemetry/tracing.js'
import type { AppContext } from '../../tools/app-context.js'
import type { Deadlines } from './deadlines.js'
import type { RunningCalls } from './running-calls.js'

export interface ExchangeParts {
  readonly deadlines?: Deadlines
  readonly running?: RunningCalls
  /** Begins the span of the message; of a nested call, the span around it does. */
  readonly tracing?: Pick<Tracing, 'begin'> | undefined
  /** The app's own values for handlers. */
  readonly app?: AppContext
}
