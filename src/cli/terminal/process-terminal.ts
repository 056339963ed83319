/** The terminal of this process. Its output may be a full disk or a closed pipe. */
import type { Terminal } from './terminal.js'

export function processTerminal (): Terminal {
  // Nothing is left to say it with.
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
 * Not before it is needed: the server writes its log to the same descriptor, and this would change the mode
 * of that.
 */
function output (): NodeJS.WriteStream {
  if (!process.stdout.listeners('error').includes(onFailure)) process.stdout.on('error', onFailure)
  return process.stdout
}

/** Without a word to a reader that has seen enough, as `head`. */
function onFailure ({ code = 'unknown error' }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') return
  process.stderr.write(`Cannot write to standard output (${code}).\n`)
  process.exitCode = 1
}
