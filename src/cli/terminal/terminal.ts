/** The interface between commands and the process. Tests pass another implementation. */
import type { Environment } from '../../config/load.js'

export interface Terminal {
  readonly env: Environment
  /** The working directory. Its `.env` is read. */
  readonly directory: string
  /** Writes a line to stdout. */
  readonly print: (line: string) => void
  /** Writes a secret to stdout that cannot be shown again. Resolves to false if it could not be written. */
  readonly show: (line: string) => Promise<boolean>
  /** Writes a line to stderr. */
  readonly complain: (line: string) => void
  /** Reads a secret. Default: from standard input, without echo. */
  readonly readSecret?: (prompt: string) => Promise<string>
}
