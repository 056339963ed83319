/** The log on standard output: one write for the lines of each turn, and no error where it takes no more. */
import { fstatSync, writeSync } from 'node:fs'
import { codeOf } from '../lib/guards.js'

/** What waits for a log that cannot be written. */
const maxWaitingBytes = 8 * 1024 * 1024
/** So much is written before the turn is over. */
const longestTurn = 64 * 1024
const retryMs = 50
/** After which a reader has stopped, and how long the end waits for one that has not. */
const stoppedMs = 1000
const longestEndMs = 10_000

export interface LineSink {
  readonly write: (line: string) => void
  /** False where a line of ordinary length would be lost. */
  readonly hasRoom: () => boolean
}

/**
 * Standard output, with one write for all lines of a turn of the event loop: a write costs more than the
 * line. What is left when the process ends is written then; SIGKILL loses the lines of that one turn.
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
    // What waits already is tried again by the timer.
    if (this.#timer === undefined) this.#writeWaiting()
  }

  /** A full disk or a reader that has stopped costs lines, and no answer. True where nothing is left. */
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
      // The reader has left, and comes back no more.
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

  /** Waits for a reader that is slow, and not for one that has stopped. */
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
      // Standard error may be on the same disk.
    }
  }
}

/** A write to a pipe or socket whose reader has stopped would stop this process, too. */
function neverWait (): void {
  const stat = fstatSync(1)
  // Node makes them non-blocking when it opens its stream, which nothing is written to.
  if (stat.isFIFO() || stat.isSocket()) process.stdout.on('error', () => {})
}

/** One for the process, which has one standard output. */
let standardOutput: StandardOutput | undefined

export function toStandardOutput (): LineSink {
  standardOutput ??= new StandardOutput()
  return standardOutput
}
