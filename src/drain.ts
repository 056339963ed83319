/** Ends the process in order: accepted calls are answered, and nothing holds it longer than the grace. */
import { subscribe } from 'node:diagnostics_channel'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

export interface DrainOptions {
  /** Milliseconds that accepted calls have to end; then their connections are cut. Default 10,000. */
  readonly graceMs?: number
}

/** What a call that was cut needs to be reported and logged, in milliseconds. */
const afterGraceMs = 500
const signals = { SIGTERM: 143, SIGINT: 130 } as const

/**
 * Takes over the end of the process: SIGTERM and SIGINT drain and exit with 0, a second one exits
 * at once; an error that nobody caught is logged, drains and exits with 1. Call it before `listen`.
 */
export function drainOnEnd (app: FastifyInstance, { graceMs = 10_000 }: DrainOptions = {}): void {
  const answered = watchAnswers()
  let exitCode: number | undefined

  const end = async (code: number): Promise<void> => {
    if (exitCode !== undefined) {
      exitCode = Math.max(exitCode, code)
      return
    }
    exitCode = code
    const cut = setTimeout(() => app.server.closeAllConnections(), graceMs)
    const closed = app.close().then(answered, error => { app.log.error({ err: error }, 'closing failed') })
    await Promise.race([closed, sleep(graceMs + afterGraceMs)])
    clearTimeout(cut)
    process.exit(exitCode)
  }

  for (const [signal, code] of Object.entries(signals)) {
    process.on(signal, () => {
      if (exitCode !== undefined) process.exit(code)
      app.log.info({ signal }, 'stopping')
      end(0)
    })
  }
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (error: unknown) => {
      app.log.fatal({ err: error }, event)
      end(1)
    })
  }
}

/**
 * Counts the answers under way on every server of the process, and returns what waits for none.
 * `app.close()` alone is not enough: bound to `localhost`, Fastify listens on 127.0.0.1 and on
 * [::1], and waits for the calls of one of them.
 */
function watchAnswers (): () => Promise<void> {
  const underWay = new Set<ServerResponse>()
  let whenNone = (): void => {}
  subscribe('http.server.request.start', message => {
    const { response } = message as { response: ServerResponse }
    underWay.add(response)
    response.once('close', () => {
      underWay.delete(response)
      if (underWay.size === 0) whenNone()
    })
  })
  return async () => {
    if (underWay.size > 0) await new Promise<void>(resolve => { whenNone = resolve })
  }
}
