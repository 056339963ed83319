/** Replaces files atomically, with one writer at a time across processes. */
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, lstat, open, readdir, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from './guards.js'
import { requireOwnPath } from './path-owner.js'

/** After this time the lock of a killed process is free. Longer than a busy machine delays a renewal. */
const staleLockMs = 10_000
/** How often the holder of a lock renews it. */
const renewLockMs = 1000
/** Long enough to outlast a stale lock or a queue of other writers. */
const defaultWaitMs = 20_000

export interface LockedFile {
  /** The target file, if `path` is a symbolic link. */
  readonly path: string
  /** False if another process took the lock, which happens if this process was stopped for long. */
  readonly isHeld: () => boolean
}

/**
 * Runs `work` under a lock for the file, which need not exist. Rejects with the error of `work`, with an
 * `ELOCKED` error if others hold the lock for more than about `waitMs` (default 20,000), or with a
 * `ForeignPathError` if this process runs as root and another user controls the path.
 */
export async function withFileLock<T> (
  path: string,
  work: (file: LockedFile) => Promise<T>,
  waitMs = defaultWaitMs
): Promise<T> {
  requireOwnPath(path)
  return await underLock(await followLinks(path), work, waitMs)
}

/** Like `withFileLock`, but for any path, and as it is: links are not followed. */
export async function underLock<T> (
  file: string,
  work: (file: LockedFile) => Promise<T>,
  waitMs: number
): Promise<T> {
  let isHeld = true
  const release = await takeLock(file, waitMs, () => {
    isHeld = false
  })
  try {
    return await work({ path: file, isHeld: () => isHeld })
  } finally {
    // A lock that another process took must not be released; a lock that is left behind becomes stale.
    if (isHeld) await release().catch(() => {})
  }
}

/**
 * Replaces the content of a file and keeps its owner and group. Only the owner can read it, and the group if
 * it could before. If this is interrupted, the file has either its old or its new content. Once it resolves,
 * the new content survives a power failure. Call it under the lock, because it removes the temporary files of
 * killed writers.
 */
export async function replaceFile (path: string, text: string): Promise<void> {
  await clearRemains(path)
  const draft = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.draft`
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await keepOwner(path, file)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Retries only while others hold the lock. The library's retries would also wait for a missing directory. */
async function takeLock (file: string, waitMs: number, onCompromised: () => void): Promise<() => Promise<void>> {
  // Imported lazily: the library installs signal handlers, which a process that never writes does not need.
  const { lock } = await import('proper-lockfile')
  if (!process.listeners('SIGXFSZ').includes(ignore)) process.on('SIGXFSZ', ignore)
  for (const endsAt = performance.now() + waitMs; ;) {
    try {
      return await lock(file, { realpath: false, stale: staleLockMs, update: renewLockMs, onCompromised })
    } catch (error) {
      if (codeOf(error) !== 'ELOCKED' || performance.now() >= endsAt) throw error
    }
    // A random delay, so that waiting processes do not retry at the same moment.
    await sleep(20 + Math.random() * 60)
  }
}

/**
 * A listener for SIGXFSZ. Node ignores this signal, so that exceeding the file size limit is an ordinary
 * error. The lock library's signal handler would end the process instead.
 */
function ignore (): void {}

/**
 * Follows symbolic links, also to a file that does not exist yet: replacing the link itself would leave its
 * target unchanged.
 */
async function followLinks (path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    const target = await readlink(path).catch(() => undefined)
    // For circular links the system reports an error.
    return target === undefined ? resolve(path) : await followLinks(resolve(await realpath(dirname(path)), target))
  }
}

async function clearRemains (path: string): Promise<void> {
  const prefix = `${basename(path)}.`
  for (const name of await readdir(dirname(path))) {
    if (name.startsWith(prefix) && /^\d+-[0-9a-f]{8}\.draft$/.test(name.slice(prefix.length))) {
      await rm(join(dirname(path), name), { force: true })
    }
  }
}

/**
 * Keeps owner and group, so that the server can still use the file after an administrator (root) changed it.
 * Does not copy the owner of a symbolic link, who need not own its target.
 */
async function keepOwner (path: string, file: FileHandle): Promise<void> {
  const before = await absentIsUndefined(lstat(path))
  if (before?.isFile() !== true) return
  const now = await file.stat()
  if (before.uid !== now.uid || before.gid !== now.gid) await file.chown(before.uid, before.gid)
  if ((before.mode & 0o040) !== 0) await file.chmod(0o640)
}

/** `undefined` if the file does not exist. */
export async function statIfAny (path: string): Promise<Stats | undefined> {
  return await absentIsUndefined(stat(path))
}

async function absentIsUndefined<T> (found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Makes the new name durable as well. Some systems cannot sync a directory and do not need to. */
async function syncDirectory (path: string): Promise<void> {
  let directory: FileHandle | undefined
  try {
    directory = await open(path, 'r')
    await directory.sync()
  } catch (error) {
    if (!['EPERM', 'EISDIR', 'EINVAL', 'EACCES'].includes(codeOf(error))) throw error
  } finally {
    await directory?.close()
  }
}
