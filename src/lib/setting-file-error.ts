/** Reads files that settings name, and describes their errors. */
import { readFileSync, statSync } from 'node:fs'
import { codeOf } from './guards.js'
import { OperatorError } from './operator-error.js'
import { withoutBom } from './without-bom.js'

/** A file that a setting names cannot be used. The message is the rest of a sentence that begins with the setting. */
export class SettingFileError extends OperatorError {
  override readonly name: string = 'SettingFileError'
  /** What to do, unless the content of the file has to be corrected. */
  readonly right: string | undefined

  constructor (message: string, right?: string, options?: ErrorOptions) {
    super(message, options)
    this.right = right
  }
}

/** The text of a file, without a byte order mark. Throws an error of the file system, for `unreadable`. */
export function readSettingFile (path: string): string {
  // Opening a named pipe would wait for ever, and some devices never end.
  if (!statSync(path).isFile()) throw Object.assign(new Error('not a regular file'), { code: 'EISDIR' })
  return withoutBom(readFileSync(path, 'utf8'))
}

/** Why a file cannot be read, and what to do. `error`: from `readSettingFile`. */
export function unreadable (error: unknown): readonly [message: string, right: string] {
  const code = codeOf(error)
  if (code === 'ENOENT') return ['names a file that does not exist', 'name an existing file, or remove the setting']
  if (code === 'EISDIR') return ['names a directory or a device', 'name a file']
  return [`names a file that cannot be read (${code})`, 'let the user that runs this read it']
}
