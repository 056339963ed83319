/** The file of managed keys: read, validated and replaced as a whole. */
import type { BigIntStats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { replaceFile, withFileLock } from '../lib/atomic-file.js'
import { formatKeyFile, parseKeyFile, type KeyFileContents, type KeyRecord, type RecordLines } from './record.js'
import { codeOf } from '../lib/guards.js'
import { OperatorError } from '../lib/operator-error.js'

/** The key file cannot be used, for a reason that the operator can mend; both halves are for them. */
export class KeyFileError extends OperatorError {
  override readonly name = 'KeyFileError'
  readonly path: string
  /** What is wrong, as the rest of a sentence that begins with the file. */
  readonly wrong: string
  readonly right: string

  constructor (path: string, wrong: string, right: string) {
    super(`The key file ${path} ${wrong}; ${right}`)
    this.path = path
    this.wrong = wrong
    this.right = right
  }
}

/** What tells one state of the file from another without reading it. */
export interface Fingerprint {
  readonly text: string
  /**
   * Milliseconds since the last change: clocks of file systems are coarse, and a young file may change
   * again without a sign.
   */
  readonly ageMs: number
  /** What lets others than its owner and root change it, or everybody read it, as a sentence for the log. */
  readonly danger: string | undefined
}

const largestBytes = 64 * 1024 * 1024

/** Reads the records. Throws a `KeyFileError` where there is no file, or none that can be used. */
export async function readKeyFile (path: string): Promise<readonly KeyRecord[]> {
  return contentsOf(path, await readKeyText(path)).records
}

/** Like `readKeyFile`, but there may be no file: then there are no records. */
export async function readKeyFileIfAny (path: string): Promise<readonly KeyRecord[]> {
  return await fingerprintIfAny(path) === undefined ? [] : await readKeyFile(path)
}

/** What the text of the file holds. Throws a `KeyFileError`. */
export function contentsOf (path: string, text: string, known?: RecordLines): KeyFileContents {
  const parsed = parseKeyFile(text, known)
  if ('wrong' in parsed) {
    throw new KeyFileError(path, parsed.wrong, parsed.right ?? 'correct it, or restore a valid copy')
  }
  return parsed
}

/** The text of the file, unjudged. Throws a `KeyFileError`. */
export async function readKeyText (path: string): Promise<string> {
  // Also that it is a file: opening a pipe would wait for ever.
  await fingerprint(path)
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** Throws a `KeyFileError` where there is no file, or none that may be opened. */
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
  // Windows has neither.
  if (user === undefined) return undefined
  if ((mode & 0o027n) !== 0n) {
    return 'everybody can read the key file, or others than its owner can write it: set its mode to 0600, ' +
      'or 0640 if the server reads it through its group'
  }
  return uid === 0n || uid === BigInt(user)
    ? undefined
    : 'the key file belongs to another user, who can add any key to it: change its owner to root or to the user ' +
      'that the server runs as'
}

export interface ChangeOptions {
  /** Begin with an empty file where there is none. Default false: that is an error. */
  readonly create?: boolean
}

export interface Changed<T> {
  /** All records, in the order of the file. */
  readonly records: readonly KeyRecord[]
  readonly result: T
}

/**
 * Reads the file, changes it and writes it, alone: of several processes none undoes what another
 * wrote. `change` may run again where the file changed meanwhile, and what it throws leaves the
 * file as it was. When this resolves, the change is on the disk. Throws a `KeyFileError`.
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
        // A lock can be lost (this process was stopped for long), and editors ask for none.
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
