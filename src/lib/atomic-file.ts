/** Files that several processes replace as a whole: never half written, never lost, one writer at a time. */
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, lstat, open, readdir, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from './guards.js'
import { requireOwnPath } from './path-owner.js'

/** A lock whose holder was killed is free after this. Longer than a busy machine stops, so that no holder loses it. */
const staleLockMs = 10_000
/** How often a holder shows that it lives. */
const renewLockMs = 1000
/** Long enough for a stale lock, and for a queue of other writers. */
const defaultWaitMs = 20_000

export interface LockedFile {
  /** The file itself, where `path` was a link to it. */
  readonly path: string
  /** Whether nobody else has taken the lock since, as after a long stop of this process. */
  readonly isHeld: () => boolean
}

/**
 * Runs `work` while no other process does so with the same file, which need not exist. Rejects
 * with what `work` rejects with, with an `ELOCKED` error where others don't let go in about
 * `waitMs` (20,000 where left out), or with a `ForeignPathError` where this is root and another user
 * controls the path.
 */
export async function withFileLock<T> (
  path: string,
  work: (file: LockedFile) => Promise<T>,
  waitMs = defaultWaitMs
): Promise<T> {
  requireOwnPath(path)
  const file = await followLinks(path)
  let isHeld = true
  const release = await takeLock(file, waitMs, () => {
    isHeld = false
  })
  try {
    return await work({ path: file, isHeld: () => isHeld })
  } finally {
    // One that was taken from us is not ours to give back; one that stays behind grows stale.
    if (isHeld) await release().catch(() => {})
  }
}

/**
 * Puts `text` in the place of a file, with the owner and the group that it had; it is for its owner,
 * and readable by the group where it was. Whenever this is cut off, the file has either its old
 * content or the new one; when it resolves, the new one outlives a power cut. To be called under
 * the lock: what a killed writer left is cleared away.
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

/** Asks again only while others hold the lock: the library's own retries would also wait for a directory to appear. */
async function takeLock (file: string, waitMs: number, onCompromised: () => void): Promise<() => Promise<void>> {
  // Only now: the library listens for signals, which a process that never writes need not have.
  const { lock } = await import('proper-lockfile')
  if (!process.listeners('SIGXFSZ').includes(ignore)) process.on('SIGXFSZ', ignore)
  for (const endsAt = performance.now() + waitMs; ;) {
    try {
      return await lock(file, { realpath: false, stale: staleLockMs, update: renewLockMs, onCompromised })
    } catch (error) {
      if (codeOf(error) !== 'ELOCKED' || performance.now() >= endsAt) throw error
    }
    // Of several that wait not all may ask at the same moment.
    await sleep(20 + Math.random() * 60)
  }
}

/**
 * Node ignores this signal, so that a file beyond a limit of the process is an error; the lock's library
 * would die of it.
 */
function ignore (): void {}

/**
 * A link is followed, also to a file that is still to be made: replacing the link itself would leave the
 * file it names as it was.
 */
async function followLinks (path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    const target = await readlink(path).catch(() => undefined)
    // Of links in a circle the system says so itself.
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
 * An administrator's change must not take the file away from the server, whose user may own it or
 * only read it by its group. Nothing is copied from a link: its owner need not own the file that it points to.
 */
async function keepOwner (path: string, file: FileHandle): Promise<void> {
  const before = await absentIsUndefined(lstat(path))
  if (before?.isFile() !== true) return
  const now = await file.stat()
  if (before.uid !== now.uid || before.gid !== now.gid) await file.chown(before.uid, before.gid)
  if ((before.mode & 0o040) !== 0) await file.chmod(0o640)
}

/** `undefined` where there is no such file. */
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

/** The new name, too, has to reach the disk. Some systems can't sync a directory, and need not. */
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
