/** What a command touches of the process, so that a test can hand it something else. */
import type { Environment } from '../../config/load.js'

export interface Terminal {
  readonly env: Environment
  /** The directory whose `.env` counts. */
  readonly directory: string
  /** Writes a line to stdout. */
  readonly print: (line: string) => void
  /** Writes a line to stdout that nobody can have again. Resolves to false where it could not be written. */
  readonly show: (line: string) => Promise<boolean>
  /** Writes a line to stderr. */
  readonly complain: (line: string) => void
  /** Where secrets are read from. Default standard input, without an echo. */
  readonly readSecret?: (prompt: string) => Promise<string>
}
