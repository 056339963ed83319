/**
 * The options of `plugins/env`, apart from the plugin: that declares `app.config`, which is a name of other
 * plugins, too.
 */
import type { Config, Environment } from './load.js'

export interface EnvOptions {
  /** The environment to read. `process.env` where left out. */
  env?: Environment
  /** The file below it: a path, `true` for `./.env` (default), `false` for none. A missing file is no problem. */
  dotenv?: boolean | string
  /** A configuration that was loaded already; then nothing is read and nothing is warned about. */
  config?: Config
}
