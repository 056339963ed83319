/** Ends the process in order: accepted calls are answered, and nothing holds it longer than the grace. */
import { subscribe } from 'node:diagnostics_channel'
import type { Server, ServerResponse } from 'node:http'
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
  const answers = watchAnswers()
  let exitCode: number | undefined

  const end = async (code: number): Promise<void> => {
    if (exitCode !== undefined) {
      exitCode = Math.max(exitCode, code)
      return
    }
    exitCode = code
    answers.hangUp()
    const cut = setTimeout(() => app.server.closeAllConnections(), graceMs)
    const closed = app.close().then(answers.last, error => {
      app.log.error({ err: error }, 'closing failed')
      exitCode = 1
    })
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

interface Answers {
  /** Keeps no connection open behind an answer from now on: `server.close()` waits for idle ones, too. */
  readonly hangUp: () => void
  /** Resolves once no answer is under way. */
  readonly last: () => Promise<void>
}

/**
 * Follows the answers under way on every server of the process. `app.close()` alone is not enough:
 * bound to `localhost`, it waits for the calls at the first of 127.0.0.1 and [::1] only.
 */
function watchAnswers (): Answers {
  const underWay = new Set<ServerResponse>()
  let hangingUp = false
  let whenNone = (): void => {}
  subscribe('http.server.request.start', message => {
    const { response, server } = message as { response: ServerResponse, server: Server }
    underWay.add(response)
    response.once('close', () => {
      underWay.delete(response)
      // Idle only once Node is done with the answer.
      if (hangingUp) setImmediate(() => server.closeIdleConnections())
      if (underWay.size === 0) whenNone()
    })
  })
  return {
    hangUp () {
      hangingUp = true
      for (const response of underWay) if (!response.headersSent) response.setHeader('connection', 'close')
    },
    async last () {
      if (underWay.size > 0) await new Promise<void>(resolve => { whenNone = resolve })
    }
  }
}
