/**
 * The options of `plugins/env`. In a separate file, because the plugin declares `app.config`, which would
 * conflict with other plugins of that name.
 */
import type { Config, Environment } from './load.js'

export interface EnvOptions {
  /** The environment to read. Default `process.env`. */
  env?: Environment
  /**
   * A `.env` file with lower precedence: a path, `true` for `./.env` (default), or `false`. It may be
   * missing.
   */
  dotenv?: boolean | string
  /** Settings that are already loaded. Nothing is read then, and no warnings are logged. */
  config?: Config
}
