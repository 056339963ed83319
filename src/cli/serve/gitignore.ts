/** Adds the files that `init` and the server write to `.gitignore`. */
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Each entry with other patterns that have the same effect. */
const entries: ReadonlyArray<readonly [entry: string, ...others: string[]]> = [
  ['.env', '/.env', '.env*', '*.env'],
  ['.state/', '.state', '/.state', '/.state/']
]

/**
 * Adds `.env` and `.state/` to the `.gitignore` of `directory` if it is in a repository. Returns the added
 * entries. Does not follow a symbolic link, which may lead to a file of another user. Throws the system
 * error.
 */
export function ignoreSecrets (directory: string): readonly string[] {
  if (!isInRepository(directory)) return []
  const path = join(directory, '.gitignore')
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const lines = new Set(text.split(/\r?\n/).map(line => line.trim()))
  const missing = entries.filter(spellings => !spellings.some(spelling => lines.has(spelling))).map(([entry]) => entry)
  if (missing.length === 0) return []
  const file = openSync(
    path,
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0),
    0o644
  )
  try {
    writeSync(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}${missing.join('\n')}\n`)
  } finally {
    closeSync(file)
  }
  return missing
}

function isInRepository (directory: string): boolean {
  if (existsSync(join(directory, '.git'))) return true
  const parent = dirname(directory)
  return parent !== directory && isInRepository(parent)
}
