/** Shuts the process down gracefully: accepted calls are answered within the grace period. */
import { setImmediate as laterTurn, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { requestIdOf } from '../http/request-log.js'
import { Connections } from './connections.js'
import { onStopSignals } from './stop-signals.js'

export interface DrainOptions {
  /**
   * Milliseconds during which `/ready` fails but calls are served, so that balancers stop routing. Default 0.
   */
  readonly delayMs?: number
  /** Milliseconds after that for accepted calls to finish; then connections are cut. Default 10,000. */
  readonly graceMs?: number
  /** True if npm or a similar tool started this process. Default false. */
  readonly isByNpm?: boolean
}

/** How long idle connections stay open, because a request may be arriving and a reset would lose it. */
const idleMs = 1000
/** Extra time to report and log calls that were cut. */
const afterGraceMs = 500
/** The most request ids in a log line. */
const maxRequestIds = 100

/**
 * Handles the end of the process. SIGTERM and SIGINT drain and exit with 0; a second signal exits at once. An
 * uncaught error is logged, drains and exits with 1. Call it before `listen`.
 */
export function drainOnEnd (
  app: FastifyInstance,
  { delayMs = 0, graceMs = 10_000, isByNpm }: DrainOptions = {}
): void {
  const connections = new Connections(app.server)
  let exitCode: number | undefined
  // Runs first among the onClose hooks, after the server closed, because observers of calls close after it.
  app.addHook('onClose', async () => {
    await connections.lastAnswer()
    // The decision of a call is emitted in a later turn than the end of its connection.
    await turns()
  })

  const end = async (code: number): Promise<void> => {
    if (exitCode !== undefined) {
      exitCode = Math.max(exitCode, code)
      return
    }
    exitCode = code
    if (app.hasDecorator('announceStop')) app.announceStop()
    connections.hangUp()
    if (delayMs > 0) await sleep(delayMs)
    const idle = setTimeout(() => { connections.closeIdle() }, Math.min(idleMs, graceMs))
    const cut = setTimeout(() => { app.server.closeAllConnections() }, graceMs)
    const closed = Promise.resolve(app.close()).catch(error => {
      app.log.error({ err: error }, 'closing failed')
      exitCode = 1
    })
    await Promise.race([closed, sleep(graceMs + afterGraceMs).then(turns)])
    clearTimeout(idle)
    clearTimeout(cut)
    process.exit(exitCode)
  }

  // Does not check `exitCode`: the first signal after an uncaught error must not end the process at once.
  onStopSignals({
    first: signal => {
      app.log.info({ signal }, 'stopping')
      void end(0)
    },
    again: code => process.exit(code),
    isByNpm
  })
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (error: unknown) => {
      const requestIds = [...connections.answers]
        .map(requestIdOf)
        .filter(id => id !== undefined)
        .slice(0, maxRequestIds)
      app.log.fatal({ err: error, requestIds }, event)
      void end(1)
    })
  }
}

/** Waits a few turns of the event loop, so that events behind a late timer are handled first. */
async function turns (): Promise<void> {
  for (let count = 0; count < 3; count++) await laterTurn()
}
