/**
 * Several processes behind one port of this machine: the primary holds what they share, and replaces those
 * that die.
 */
import cluster, { type Worker } from 'node:cluster'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRecord } from '../lib/guards.js'
import { Channel } from '../workers/channel.js'
import { PortsHost } from '../workers/host.js'

/** Set in the environment of our workers, to tell them from those of a host's own cluster. */
const mark = 'FASTIFY_MCP_AUTH_WORKER'
/** Ctrl-C reaches the workers, too: they are told a moment later, and those that have heard it need nothing more. */
const tellDelayMs = 200
const firstRetryMs = 100
const lastRetryMs = 5000

/** True in a process that `runWorkers` started. `env`: that of the process. */
export function isOurWorker (env: Readonly<Record<string, string | undefined>>): boolean {
  return cluster.isWorker && env[mark] === '1'
}

/** How many processes a setting asks for; 0 is one a core. */
export function workersOf (setting: number): number {
  return setting === 0 ? availableParallelism() : setting
}

/** The way to the primary. */
export function channelOfWorker (): Channel {
  return new Channel({
    send: message => { process.send?.(message) },
    onMessage: listener => { process.on('message', listener) }
  })
}

/** Ends this worker in order when the primary is told to end. Call it when signals do: one before is no end. */
export function obeyPrimary (): void {
  let isTold = false
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => { isTold = true })
  process.on('message', message => {
    if (isRecord(message) && message.mcpEnd === true && !isTold) process.kill(process.pid, 'SIGTERM')
  })
}

/** Says a line to the person who started the primary, and waits until it is on its way. With a port: it is ready. */
export async function announceInWorker (line: string, port?: number): Promise<void> {
  await new Promise<void>(resolve => {
    if (process.send === undefined) resolve()
    else process.send({ mcpLine: line, port }, () => { resolve() })
  })
}

/** Takes over the process: it serves nothing itself, and ends with its workers. Never resolves. */
export async function runWorkers (count: number, announce: (line: string) => void): Promise<never> {
  const host = new PortsHost()
  const alive = new Set<Worker>()
  const starting = new Set<Worker>()
  let ready = 0
  let port: number | undefined
  let isEnding = false
  let exitCode = 0
  let retryMs = firstRetryMs
  /** Lines that were announced: workers that start together fail for the same reasons. */
  const said = new Set<string>()

  const end = (code: number): void => {
    isEnding = true
    exitCode = Math.max(exitCode, code)
    if (alive.size === 0) process.exit(exitCode)
  }

  const hear = (worker: Worker, message: unknown): void => {
    if (!isRecord(message) || typeof message.mcpLine !== 'string') return
    if (typeof message.port === 'number') {
      port = message.port
      starting.delete(worker)
      retryMs = firstRetryMs
      ready += 1
      if (ready === count) announce(message.mcpLine)
    } else if (!isEnding && !(ready < count && said.has(message.mcpLine))) {
      said.add(message.mcpLine)
      announce(message.mcpLine)
    }
  }

  const start = (): void => {
    // A later one listens where the first ones do, also where the port was left to the system.
    const worker = cluster.fork({ [mark]: '1', ...(port === undefined ? {} : { PORT: String(port) }) })
    alive.add(worker)
    starting.add(worker)
    host.attach({
      send: message => { if (worker.isConnected()) worker.send(message) },
      onMessage: listener => { worker.on('message', listener) },
      onGone: listener => { worker.once('exit', listener) }
    })
    worker.on('message', message => { hear(worker, message) })
    worker.once('exit', (code, signal) => {
      alive.delete(worker)
      const isFirst = starting.delete(worker) && ready < count
      if (isEnding) return end(0)
      // It cannot start: nor could another.
      if (isFirst) {
        end(1)
        for (const other of alive) other.process.kill('SIGTERM')
        return
      }
      announce(`A worker ended (${signal ?? code}) and is replaced.`)
      setTimeout(() => { if (!isEnding) start() }, retryMs)
      retryMs = Math.min(retryMs * 2, lastRetryMs)
    })
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (isEnding) {
        for (const worker of alive) worker.process.kill('SIGKILL')
        process.exit(signal === 'SIGTERM' ? 143 : 130)
      }
      end(0)
      // Again and again: one that is starting does not listen yet.
      setInterval(() => {
        for (const worker of alive) if (worker.isConnected()) worker.send({ mcpEnd: true })
      }, tellDelayMs)
    })
  }
  process.on('SIGHUP', () => { for (const worker of alive) worker.process.kill('SIGHUP') })
  for (let n = 0; n < count; n++) start()
  for (;;) await sleep(2 ** 30)
}
