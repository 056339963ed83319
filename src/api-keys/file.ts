/** Reads, validates and replaces the key file as a whole. */
import type { BigIntStats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { replaceFile, withFileLock } from '../lib/atomic-file.js'
import { formatKeyFile, parseKeyFile, type KeyFileContents, type KeyRecord, type RecordLines } from './record.js'
import { codeOf } from '../lib/guards.js'
import { OperatorError } from '../lib/operator-error.js'

/** The key file cannot be used. The message tells the operator what is wrong and how to fix it. */
export class KeyFileError extends OperatorError {
  override readonly name = 'KeyFileError'
  readonly path: string
  /** What is wrong, as the end of a sentence that begins with the file. */
  readonly wrong: string
  readonly right: string

  constructor (path: string, wrong: string, right: string) {
    super(`The key file ${path} ${wrong}; ${right}`)
    this.path = path
    this.wrong = wrong
    this.right = right
  }
}

/** Detects a change of the file without reading it. */
export interface Fingerprint {
  readonly text: string
  /**
   * Milliseconds since the last change. File systems have coarse clocks, so a file that changed a moment ago
   * may change again with the same timestamp.
   */
  readonly ageMs: number
  /** A warning for the log if other users can write the file, or everyone can read it. */
  readonly danger: string | undefined
}

const largestBytes = 64 * 1024 * 1024

/** Reads the records. Throws a `KeyFileError` if the file does not exist or cannot be used. */
export async function readKeyFile (path: string): Promise<readonly KeyRecord[]> {
  return contentsOf(path, await readKeyText(path)).records
}

/** Like `readKeyFile`, but returns no records if the file does not exist. */
export async function readKeyFileIfAny (path: string): Promise<readonly KeyRecord[]> {
  return await fingerprintIfAny(path) === undefined ? [] : await readKeyFile(path)
}

/** Parses the text of the file. Throws a `KeyFileError`. */
export function contentsOf (path: string, text: string, known?: RecordLines): KeyFileContents {
  const parsed = parseKeyFile(text, known)
  if ('wrong' in parsed) {
    throw new KeyFileError(path, parsed.wrong, parsed.right ?? 'correct it, or restore a valid copy')
  }
  return parsed
}

/** The text of the file, not validated. Throws a `KeyFileError`. */
export async function readKeyText (path: string): Promise<string> {
  // Also checks that it is a regular file: opening a pipe would wait for ever.
  await fingerprint(path)
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** Throws a `KeyFileError` if the file does not exist or is not a regular file of an acceptable size. */
export async function fingerprint (path: string): Promise<Fingerprint> {
  try {
    const status = await stat(path, { bigint: true })
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = status
    if (!status.isFile()) throw new KeyFileError(path, 'is a directory or a device', 'name a file')
    if (size > largestBytes) throw new KeyFileError(path, 'is larger than 64 MB', 'name a key file')
    return {
      text: [dev, ino, size, mtimeNs, ctimeNs].join(' '),
      ageMs: Date.now() - Number(ctimeMs),
      danger: dangerOf(status)
    }
  } catch (error) {
    throw error instanceof KeyFileError ? error : unreadable(path, error)
  }
}

function dangerOf ({ mode, uid }: BigIntStats): string | undefined {
  const user = process.geteuid?.()
  // Windows has neither modes nor numeric owners.
  if (user === undefined) return undefined
  if ((mode & 0o027n) !== 0n) {
    return 'everyone can read the key file, or other users can write it: set its mode to 0600, ' +
      'or 0640 if the server reads it through its group'
  }
  return uid === 0n || uid === BigInt(user)
    ? undefined
    : 'the key file belongs to another user, who can add any key to it: change its owner to root or to the user ' +
      'that the server runs as'
}

export interface ChangeOptions {
  /** Start with an empty file if it does not exist. Default false: a missing file is an error. */
  readonly create?: boolean
}

export interface Changed<T> {
  /** All records, in the order of the file. */
  readonly records: readonly KeyRecord[]
  readonly result: T
}

/**
 * Reads, changes and writes the file under a lock, so that concurrent processes do not overwrite each other's
 * changes. `change` may run again if the file changed in the meantime. If it throws, the file stays as it
 * was. The change is on disk when this resolves. Throws a `KeyFileError`.
 */
export async function changeKeyFile<T> (
  path: string,
  change: (records: readonly KeyRecord[]) => Changed<T>,
  { create = false }: ChangeOptions = {}
): Promise<T> {
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      const outcome = await withFileLock(path, async ({ path: file, isHeld }) => {
        const before = create ? await fingerprintIfAny(file) : await fingerprint(file)
        const { records, result } = change(before === undefined ? [] : await readKeyFile(file))
        // This process can lose the lock if it is stopped for long, and text editors do not use the lock.
        if (!isHeld() || before?.text !== (await fingerprintIfAny(file))?.text) return undefined
        await replaceFile(file, formatKeyFile(records))
        return { result }
      })
      if (outcome !== undefined) return outcome.result
    }
    throw new KeyFileError(path, 'keeps changing', 'stop the other program that writes it, and try again')
  } catch (error) {
    throw isSystemError(error) ? unwritable(path, error) : error
  }
}

async function fingerprintIfAny (path: string): Promise<Fingerprint | undefined> {
  try {
    return await fingerprint(path)
  } catch (error) {
    if (error instanceof KeyFileError && error.wrong === missing) return undefined
    throw error
  }
}

const missing = 'does not exist'

function unreadable (path: string, error: unknown): KeyFileError {
  if (codeOf(error) === 'ENOENT') {
    return new KeyFileError(path, missing, 'create it with: npx fastify-mcp-auth keys create --name <name>')
  }
  return new KeyFileError(path, `cannot be read (${codeOf(error)})`, 'let the user that runs this read it')
}

function unwritable (path: string, error: unknown): KeyFileError {
  const code = codeOf(error)
  const why: Readonly<Record<string, readonly [string, string]>> = {
    ELOCKED: ['is being changed by another process', 'try again'],
    ENOENT: ['cannot be written: its directory does not exist', 'create that directory first'],
    ENOSPC: ['cannot be written: the disk is full', 'free some space and try again; nothing was changed'],
    EDQUOT: ['cannot be written: the disk quota is used up', 'free some space and try again; nothing was changed'],
    EBUSY: [
      'cannot be written: it is a mount point, which cannot be replaced',
      'mount its directory, not the file'
    ],
    EROFS: [
      'cannot be written: its file system is read-only',
      'run this on a machine that can write the file'
    ],
    EPERM: [
      'cannot be written (EPERM)',
      'run this as the owner of the file or as root, and make sure that the file is not immutable'
    ],
    EFBIG: [
      'cannot be written: it would exceed the file size limit of this process',
      'raise that limit and try again; nothing was changed'
    ]
  }
  const [wrong, right] = why[code] ?? [
    `cannot be written (${code})`,
    'let the user that runs this write to its directory'
  ]
  return new KeyFileError(path, wrong, right)
}

function isSystemError (error: unknown): boolean {
  return error instanceof Error && /^E[A-Z0-9]+$/.test(codeOf(error))
}
