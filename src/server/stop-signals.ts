/** The signals that stop the process. */

const exitCodes = { SIGTERM: 143, SIGINT: 130 } as const

/** Milliseconds in which a second SIGINT is taken for the same key press. */
const sameKeyMs = 500

export interface StopListeners {
  readonly first: (signal: string) => void
  /** Another signal: stop at once. `code`: the exit code. */
  readonly again: (code: number) => void
  /** True if npm or a similar tool started this process. Default false. */
  readonly isByNpm?: boolean | undefined
  /** In milliseconds. Default `performance.now`. */
  readonly now?: () => number
}

/**
 * Listens from now on. With `npm start`, Ctrl-C sends SIGINT twice: the terminal sends it to all processes, and
 * npm passes it on. The second one must not cut off the calls that the first one lets finish.
 */
export function onStopSignals ({
  first,
  again,
  isByNpm = false,
  now = () => performance.now()
}: StopListeners): void {
  const toleranceMs = isByNpm ? sameKeyMs : 0
  let before: { readonly signal: string, readonly at: number } | undefined
  for (const [signal, code] of Object.entries(exitCodes)) {
    process.on(signal, () => {
      if (before === undefined) {
        before = { signal, at: now() }
        first(signal)
      } else if (signal !== 'SIGINT' || before.signal !== 'SIGINT' || now() - before.at >= toleranceMs) again(code)
    })
  }
}
