/** Finds out which user controls a path, because that user could trick root into harmful writes there. */
import { closeSync, lstatSync, openSync, readFileSync, readlinkSync, type Stats } from 'node:fs'
import { dirname, join, parse, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf } from './guards.js'
import { OperatorError } from './operator-error.js'

export interface Owner {
  readonly uid: number
  readonly gid: number
  /** A name for `sudo -u`: the user's name, or `#` and the numeric id if there is no name. */
  readonly name: string
}

/** Another user controls the path, so root must not write there. The message names the user and `sudo -u`. */
export class ForeignPathError extends OperatorError {
  override readonly name = 'ForeignPathError'
  readonly code = 'ERR_FOREIGN_PATH'
}

const maxLinks = 40

/**
 * The one user besides root who can replace what is at `path`: the owner of a directory or symbolic link on
 * the way to it. `undefined` if only root can. The owner of the file itself does not count, because they
 * cannot replace it. For a path that does not exist, the closest existing directory counts. Throws a
 * `ForeignPathError` if several users, a group, or everyone can replace it.
 */
export function ownerOf (path: string): Owner | undefined {
  const owners = new Map<number, Stats>()
  const add = (stats: Stats): void => { if (stats.uid !== 0) owners.set(stats.uid, stats) }
  const { root } = parse(resolve(path))
  const ahead = partsOf(resolve(path))
  let directory = root
  let stats: Stats = lstatSync(root)
  add(stats)
  for (let links = 0; ahead.length > 0;) {
    const child = join(directory, ahead.shift() ?? '')
    const found = lstatIfAny(child)
    if (isShared(stats) && (found === undefined || !isSticky(stats))) throw shared(directory, stats)
    if (found === undefined) break
    // In a sticky directory such as /tmp, only the owner of an entry can replace it.
    if (isShared(stats) || !found.isFile()) add(found)
    if (found.isSymbolicLink()) {
      if (++links > maxLinks) break
      const target = resolve(directory, readlinkSync(child))
      ahead.unshift(...partsOf(target))
      directory = root
      stats = lstatSync(root)
    } else if (found.isDirectory()) {
      directory = child
      stats = found
    } else break
  }
  const all = [...owners.values()].map(identityOf)
  if (all.length <= 1) return all[0]
  throw new ForeignPathError(
    `Several users control ${path} (${all.map(({ name }) => name).join(', ')}), so root ` +
      'must not write there: run this as the user of the server, with sudo -u.'
  )
}

/** Throws a `ForeignPathError` if this process runs as root and another user controls `path`. */
export function requireOwnPath (path: string): void {
  if (process.geteuid?.() !== 0) return
  const owner = ownerOf(path)
  if (owner !== undefined) throw foreign(path, owner)
}

export interface Acting {
  /** `undefined`: nothing was changed. */
  readonly as: Owner | undefined
  /** Reverts the change. */
  readonly end: () => void
}

/**
 * If this process runs as root, makes it act as the user who controls `path`, so that it cannot be tricked
 * into touching what that user may not touch. Throws a `ForeignPathError`.
 */
export function actAsOwnerOf (path: string): Acting {
  const owner = process.geteuid?.() === 0 ? ownerOf(path) : undefined
  if (owner === undefined) return { as: undefined, end: () => {} }
  const groups = process.getgroups?.() ?? []
  const group = process.getegid?.() ?? 0
  const end = (): void => {
    // Root was given up permanently in the meantime.
    if (process.getuid?.() !== 0) return
    process.seteuid?.(0)
    process.setegid?.(group)
    process.setgroups?.(groups)
  }
  try {
    process.setgroups?.([owner.gid])
    process.setegid?.(owner.gid)
    process.seteuid?.(owner.uid)
    // That user must be able to load further modules, which is impossible for a package below /root.
    closeSync(openSync(fileURLToPath(import.meta.url), 'r'))
    return { as: owner, end }
  } catch {
    end()
    throw foreign(path, owner)
  }
}

/**
 * Runs `work` with `actAsOwnerOf`. The whole process changes its user, so this is for commands, not servers.
 */
export async function asOwnerOf<T> (path: string, work: () => Promise<T>): Promise<T> {
  const { end } = actAsOwnerOf(path)
  try {
    return await work()
  } finally {
    end()
  }
}

/**
 * Gives up root permanently if another user controls `path`, also after `actAsOwnerOf`. Throws a
 * `ForeignPathError`.
 */
export function stayOwnerOf (path: string): void {
  if (process.getuid?.() !== 0) return
  process.seteuid?.(0)
  const owner = ownerOf(path)
  if (owner === undefined) return
  try {
    process.setgroups?.([owner.gid])
    process.setgid?.(owner.gid)
    process.setuid?.(owner.uid)
  } catch {
    throw foreign(path, owner)
  }
}

function foreign (path: string, { name }: Owner): ForeignPathError {
  return new ForeignPathError(
    `The user ${name} controls ${path}, so root must not write there: run this as that user, ` +
      `with sudo -u '${name}'.`
  )
}

function shared (directory: string, { gid, mode }: Stats): ForeignPathError {
  const who = (mode & 0o002) !== 0 ? 'everyone' : `the group ${gid}`
  return new ForeignPathError(
    `The directory ${directory} can be written by ${who}, so root must not write there: run this as the user ` +
      'of the server, with sudo -u, or make it writable only for its owner.'
  )
}

/** True if users other than the owner may write there. The group of root counts as root. */
function isShared ({ uid, gid, mode }: Stats): boolean {
  return uid === 0 && ((mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== 0))
}

function isSticky ({ mode }: Stats): boolean {
  return (mode & 0o1000) !== 0
}

function partsOf (absolute: string): string[] {
  return absolute.slice(parse(absolute).root.length).split(sep).filter(part => part !== '')
}

function lstatIfAny (path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined
    throw new ForeignPathError(`${dirname(path)} cannot be read (${codeOf(error)}).`)
  }
}

/** Never returns root's group: a directory whose owner alone was changed still belongs to that group. */
function identityOf ({ uid, gid }: Stats): Owner {
  const [name, , , group] = accountOf(uid)
  return { uid, gid: Number(group ?? (gid === 0 ? uid : gid)), name: name ?? `#${uid}` }
}

/** The fields of a user's line in /etc/passwd. Empty if this machine keeps its users elsewhere. */
function accountOf (uid: number): readonly string[] {
  try {
    return (
      readFileSync('/etc/passwd', 'utf8')
        .split('\n')
        .map(line => line.split(':'))
        .find(fields => fields[2] === String(uid)) ?? []
    )
  } catch {
    return []
  }
}
