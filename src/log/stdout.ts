/** The log on standard output: one write for the lines of each turn, and no error where the disk is full. */
import { writeSync } from 'node:fs'
import { destination } from 'pino'
import { codeOf } from '../lib/guards.js'

/** What waits for a log that cannot be written. */
const maxUnwrittenBytes = 8 * 1024 * 1024
/** So much is written before the turn is over. */
const longestTurn = 64 * 1024

/**
 * Standard output, with one write for all lines of a turn of the event loop: a write costs more than the
 * line. What is left when the process ends is written then; SIGKILL loses the lines of that one turn.
 */
class StandardOutput {
  // Not its own buffer: each flush of that waits for the disk.
  readonly #out = destination({ dest: 1, sync: true, maxLength: maxUnwrittenBytes })
  #lines = ''
  #failedBy = ''

  constructor () {
    // A full disk costs lines, and no answer: nobody else listens, and then an error is the end of the process.
    this.#out.on('error', error => { this.#tell(codeOf(error)) })
    this.#out.on('drop', () => { this.#tell('too many lines') })
    this.#out.on('write', () => { this.#failedBy = '' })
    process.on('exit', () => { this.#flush() })
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

  write (line: string): void {
    if (this.#lines === '') setImmediate(() => { this.#flush() })
    this.#lines += line
    if (this.#lines.length > longestTurn) this.#flush()
  }

  #flush (): void {
    const lines = this.#lines
    this.#lines = ''
    if (lines !== '') this.#out.write(lines)
  }
}

/** One for the process, which has one standard output. */
let standardOutput: StandardOutput | undefined

export function toStandardOutput (): { write: (line: string) => void } {
  standardOutput ??= new StandardOutput()
  return standardOutput
}
