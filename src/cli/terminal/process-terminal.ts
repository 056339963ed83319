/** The terminal of this process. Handles output to a full disk or a closed pipe. */
import type { Terminal } from './terminal.js'

export function processTerminal (): Terminal {
  // A failed write to stderr cannot be reported anywhere.
  process.stderr.on('error', () => {})
  return {
    env: process.env,
    directory: process.cwd(),
    print: line => {
      output().write(`${line}\n`)
    },
    show: async line =>
      await new Promise(resolve => {
        output().write(`${line}\n`, error => {
          resolve(!(error instanceof Error))
        })
      }),
    complain: line => {
      process.stderr.write(`${line}\n`)
    }
  }
}

/**
 * Opened lazily: opening stdout changes the mode of the file descriptor, which the server uses for its log.
 */
function output (): NodeJS.WriteStream {
  if (!process.stdout.listeners('error').includes(onFailure)) process.stdout.on('error', onFailure)
  return process.stdout
}

/** Ignores EPIPE, which occurs if the reader, such as `head`, stops early. */
function onFailure ({ code = 'unknown error' }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') return
  process.stderr.write(`Cannot write to standard output (${code}).\n`)
  process.exitCode = 1
}
