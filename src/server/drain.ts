/** Stops the process in order: accepted calls are answered within the grace period. */
import { setImmediate as laterTurn, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { requestIdOf } from '../http/request-log.js'
import { Connections } from './connections.js'

export interface DrainOptions {
  /** Milliseconds in which `/ready` says no and everything is served, so that balancers turn away. Default 0. */
  readonly delayMs?: number
  /** Milliseconds that accepted calls have to end after that; then their connections are cut. Default 10,000. */
  readonly graceMs?: number
}

/** How long an idle connection is left open: a request may be on its way, and would be lost in a reset. */
const idleMs = 1000
/** What a call that was cut needs to be reported and logged. */
const afterGraceMs = 500
/** Of one line of the log. */
const maxRequestIds = 100
const signals = { SIGTERM: 143, SIGINT: 130 } as const

/**
 * Takes over the end of the process: SIGTERM and SIGINT drain and exit with 0, a second one exits
 * at once; an error that nobody caught is logged, drains and exits with 1. Call it before `listen`.
 */
export function drainOnEnd (app: FastifyInstance, { delayMs = 0, graceMs = 10_000 }: DrainOptions = {}): void {
  const connections = new Connections(app.server)
  let exitCode: number | undefined
  // The first of these hooks to run, after the server has closed: what records the end of a call closes later.
  app.addHook('onClose', async () => {
    await connections.lastAnswer()
    // The end of a call is said in a later turn than that of its connection.
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

  for (const [signal, code] of Object.entries(signals)) {
    process.on(signal, () => {
      if (exitCode !== undefined) process.exit(code)
      app.log.info({ signal }, 'stopping')
      void end(0)
    })
  }
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

/** A timer may be late, and what has happened meanwhile is told in later turns. */
async function turns (): Promise<void> {
  for (let count = 0; count < 3; count++) await laterTurn()
}
