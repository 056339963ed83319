/** Opens audit and log files for a command, and reports what cannot be read. */
import { resolve } from 'node:path'
import { codeOf } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { type AuditFile, closeFiles, inOrder, openAudit, openFiles } from '../../telemetry/audit/files.js'
import { settingsWith } from '../state/settings.js'
import type { Terminal } from '../terminal/terminal.js'

/**
 * Runs `work` with the given files, or with `AUDIT_FILE` and its rotated files. Rejects with an
 * `OperatorError` if one cannot be read. `instead`: what to pass if `AUDIT_FILE` is not set.
 */
export async function reading<T> (
  given: readonly string[],
  { terminal, instead }: { readonly terminal: Terminal, readonly instead: string },
  work: (files: readonly AuditFile[]) => Promise<T>
): Promise<T> {
  if (given.length > 0) {
    return await readingFiles(inOrder(given.map(file => resolve(terminal.directory, file))), work)
  }
  const { AUDIT_FILE: file } = settingsWith('AUDIT_FILE', terminal).config
  if (file === undefined) throw new OperatorError(`AUDIT_FILE is not set: set it, or pass ${instead}.`)
  return await readingFiles(resolve(terminal.directory, file), work)
}

/** A single path also stands for its rotated files. */
async function readingFiles<T> (
  paths: string | readonly string[],
  work: (files: readonly AuditFile[]) => Promise<T>
): Promise<T> {
  let files: readonly AuditFile[] = []
  try {
    files = typeof paths === 'string' ? await openAudit(paths) : await openFiles(paths)
    return await work(files)
  } catch (error) {
    const { path = 'A file', syscall } = error as NodeJS.ErrnoException
    if (syscall === undefined) throw error
    throw new OperatorError(`${path} cannot be read (${codeOf(error)}): ${adviceFor(codeOf(error))}.`)
  } finally {
    await closeFiles(files)
  }
}

function adviceFor (code: string): string {
  if (code === 'ENOENT') return 'check the path'
  if (code === 'EISDIR') return 'it is a directory; name a file'
  return 'run this as a user that may read it'
}
