/** Programs that some tests run. If one is missing, its tests are skipped, or fail in CI. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** For the `skip` option of a test: `false` if the program exists, otherwise the reason. Throws in CI. */
export function without (
  program: string,
  environment: Readonly<Record<string, string | undefined>> = process.env
): false | string {
  const found = (environment.PATH ?? '')
    .split(delimiter)
    .concat('/usr/sbin')
    .some(directory => mayRun(join(directory, program)))
  if (found) return false
  const reason = `${program} is not installed`
  if (environment.CI !== undefined) throw new Error(`${reason}, and CI must not skip its tests`)
  return reason
}

function mayRun (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
