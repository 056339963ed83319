/** The settings that say which files and stores a command uses. */
import { join } from 'node:path'
import { ConfigError, readSettings, type Reading, type VariableName } from '../../config/load.js'
import type { Terminal } from '../terminal/terminal.js'

/** What the environment and the `.env` of the working directory come to, faults and all. */
export function settingsAt ({ env, directory }: Terminal): Reading {
  return readSettings({ env, dotenv: join(directory, '.env') })
}

/**
 * What is set, where `name` can be trusted. A `.env` with a fault sets nothing, and a faulty setting
 * holds its default: a revocation would end up in another place, and say that it is done. Throws a
 * `ConfigError`. Other settings may be faulty: the command has to work also where the server does not start.
 */
export function settingsWith (name: VariableName, terminal: Terminal): Reading {
  const reading = settingsAt(terminal)
  const problems = reading.problems.filter(
    ({ variable }) => variable === name || (variable === '.env' && reading.sources[name] !== 'environment')
  )
  if (problems.length > 0) throw new ConfigError(problems)
  return reading
}
