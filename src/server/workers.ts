/**
 * Runs several processes behind one port: the primary process holds their shared state, and replaces workers
 * that exit.
 */
import cluster, { type Worker } from 'node:cluster'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRecord } from '../lib/guards.js'
import { Channel } from '../workers/channel.js'
import { PortsHost } from '../workers/host.js'
import { onStopSignals } from './stop-signals.js'

/** Set in the environment of our workers, to distinguish them from workers of a host's own cluster. */
const mark = 'FASTIFY_MCP_AUTH_WORKER'
/**
 * Ctrl-C reaches the workers as well. They get the message a moment later, and ignore it if they have the
 * signal.
 */
const tellDelayMs = 200
const firstRetryMs = 100
const lastRetryMs = 5000

/** True in a process that `runWorkers` started. `env` is the environment of the process. */
export function isOurWorker (env: Readonly<Record<string, string | undefined>>): boolean {
  return cluster.isWorker && env[mark] === '1'
}

/** The number of processes for a setting. 0 means one per core. */
export function workersOf (setting: number): number {
  return setting === 0 ? availableParallelism() : setting
}

/** The channel to the primary process. */
export function channelOfWorker (): Channel {
  return new Channel({
    send: message => { process.send?.(message) },
    onMessage: listener => { process.on('message', listener) }
  })
}

/** Shuts this worker down when the primary process stops. Call it once the signal handlers are installed. */
export function obeyPrimary (): void {
  let isTold = false
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => { isTold = true })
  process.on('message', message => {
    if (isRecord(message) && message.mcpEnd === true && !isTold) process.kill(process.pid, 'SIGTERM')
  })
}

/**
 * Prints a line through the primary process, and waits until it is sent. A `port` reports that it is ready.
 */
export async function announceInWorker (line: string, port?: number): Promise<void> {
  await new Promise<void>(resolve => {
    if (process.send === undefined) resolve()
    else process.send({ mcpLine: line, port }, () => { resolve() })
  })
}

/**
 * Turns this process into the primary, which serves nothing itself and ends with its workers. Never resolves.
 */
export async function runWorkers (
  count: number,
  { announce, isByNpm }: { announce: (line: string) => void, isByNpm: boolean }
): Promise<never> {
  const host = new PortsHost()
  const alive = new Set<Worker>()
  const starting = new Set<Worker>()
  let ready = 0
  let port: number | undefined
  let isEnding = false
  let exitCode = 0
  let retryMs = firstRetryMs
  /** The announced lines, to avoid repeats: workers that start together fail for the same reasons. */
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
    // A replacement listens on the same port, even if the system picked it.
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
      // If this worker cannot start, no other can.
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

  onStopSignals({
    first: () => {
      end(0)
      // Repeated, because a worker that is starting does not listen for the message yet.
      setInterval(() => {
        for (const worker of alive) if (worker.isConnected()) worker.send({ mcpEnd: true })
      }, tellDelayMs)
    },
    again: code => {
      for (const worker of alive) worker.process.kill('SIGKILL')
      process.exit(code)
    },
    isByNpm
  })
  process.on('SIGHUP', () => { for (const worker of alive) worker.process.kill('SIGHUP') })
  for (let n = 0; n < count; n++) start()
  for (;;) await sleep(2 ** 30)
}
