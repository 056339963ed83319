/** What a command uses of the process; tests pass another implementation. */
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
