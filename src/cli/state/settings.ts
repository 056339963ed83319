/** Reads the settings that determine the files and stores of a command. */
import { join } from 'node:path'
import { ConfigError, readSettings, type LoadedConfig, type VariableName } from '../../config/load.js'
import type { Terminal } from '../terminal/terminal.js'

/** Reads the environment and the `.env` of the working directory. Problems are part of the result. */
export function settingsAt ({ env, directory }: Terminal): LoadedConfig {
  return readSettings({ env, dotenv: join(directory, '.env') })
}

/**
 * Reads the settings. Throws a `ConfigError` if the value of `name` is not reliable: an invalid `.env` sets
 * nothing, and an invalid setting has its default, so a revocation could go to the wrong place. Problems of
 * other settings are ignored, because commands must also work if the server does not start.
 */
export function settingsWith (name: VariableName, terminal: Terminal): LoadedConfig {
  const reading = settingsAt(terminal)
  const problems = reading.problems.filter(
    ({ variable }) => variable === name || (variable === '.env' && reading.sources[name] !== 'environment')
  )
  if (problems.length > 0) throw new ConfigError(problems)
  return reading
}
