/** Writes the log to standard output, once per turn of the event loop. Never fails if output is blocked. */
import { fstatSync, writeSync } from 'node:fs'
import { codeOf } from '../lib/guards.js'

/** The most bytes that may wait while the log cannot be written. */
const maxWaitingBytes = 8 * 1024 * 1024
/** Above this size, lines are written before the turn ends. */
const longestTurn = 64 * 1024
const retryMs = 50
/** A reader that has read nothing for this time counts as stopped. */
const stoppedMs = 1000
/** The longest wait for a slow reader when the process exits. */
const longestEndMs = 10_000

export interface LineSink {
  readonly write: (line: string) => void
  /** False if a line of ordinary length would be dropped. */
  readonly hasRoom: () => boolean
}

/**
 * Standard output with one write per turn of the event loop, because a write costs more than a line. Pending
 * lines are written when the process exits. SIGKILL loses only the lines of that turn.
 */
class StandardOutput implements LineSink {
  #lines = ''
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined
  #failedBy = ''

  constructor () {
    neverWait()
    process.on('exit', () => { this.#flushAtEnd() })
  }

  hasRoom (): boolean {
    return this.#waitingBytes + this.#lines.length + longestTurn < maxWaitingBytes
  }

  write (line: string): void {
    if (this.#waitingBytes + this.#lines.length + line.length > maxWaitingBytes) return this.#tell('too many lines')
    if (this.#lines === '') setImmediate(() => { this.#flush() })
    this.#lines += line
    if (this.#lines.length > longestTurn) this.#flush()
  }

  #flush (): void {
    if (this.#lines === '') return
    const lines = Buffer.from(this.#lines)
    this.#lines = ''
    this.#waiting.push(lines)
    this.#waitingBytes += lines.length
    // The timer retries the waiting lines.
    if (this.#timer === undefined) this.#writeWaiting()
  }

  /** A full disk or a stopped reader costs log lines, but no answers. Returns true if all is written. */
  #writeWaiting (): boolean {
    try {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        const count = writeSync(1, first)
        this.#waitingBytes -= count
        if (count === first.length) this.#waiting.shift()
        else this.#waiting[0] = first.subarray(count)
        this.#failedBy = ''
      }
      return true
    } catch (error) {
      const code = codeOf(error)
      if (code !== 'EAGAIN') this.#tell(code)
      // The reader has closed the pipe for good.
      if (code === 'EPIPE') [this.#waiting, this.#waitingBytes] = [[], 0]
      else this.#tryLater()
      return this.#waitingBytes === 0
    }
  }

  #tryLater (): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#writeWaiting()
    }, retryMs).unref()
  }

  /** Waits for a slow reader, but not for one that has stopped. */
  #flushAtEnd (): void {
    const lastEnd = performance.now() + longestEndMs
    this.#flush()
    let end = 0
    for (let left = Infinity; performance.now() < lastEnd && !this.#writeWaiting();) {
      if (this.#waitingBytes < left) end = performance.now() + stoppedMs
      else if (performance.now() > end) break
      left = this.#waitingBytes
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs)
    }
  }

  #tell (code: string): void {
    if (code === this.#failedBy) return
    this.#failedBy = code
    try {
      writeSync(2, `The log cannot be written (${code}); lines are lost until it can.\n`)
    } catch {
      // Standard error may be on the same full disk.
    }
  }
}

/**
 * Makes standard output non-blocking: a write to a pipe whose reader has stopped would block this process.
 */
function neverWait (): void {
  const stat = fstatSync(1)
  // Opening Node's stream makes it non-blocking. Nothing is written to that stream.
  if (stat.isFIFO() || stat.isSocket()) process.stdout.on('error', () => {})
}

/** Shared, because the process has only one standard output. */
let standardOutput: StandardOutput | undefined

export function toStandardOutput (): LineSink {
  standardOutput ??= new StandardOutput()
  return standardOutput
}
