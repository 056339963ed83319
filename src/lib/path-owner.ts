/** Who controls a path besides root, so that root does nothing there which that user could turn against it. */
import { closeSync, lstatSync, openSync, readFileSync, readlinkSync, type Stats } from 'node:fs'
import { dirname, join, parse, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf } from './guards.js'
import { OperatorError } from './operator-error.js'

export interface Owner {
  readonly uid: number
  readonly gid: number
  /** As `sudo -u` takes it: the user's name, or `#` and the number of one without. */
  readonly name: string
}

/** Root may not work at this path: others control it. The message says who, and names `sudo -u`. */
export class ForeignPathError extends OperatorError {
  override readonly name = 'ForeignPathError'
  readonly code = 'ERR_FOREIGN_PATH'
}

const maxLinks = 40

/**
 * The one user besides root who can put something else at `path`: the owner of a directory or of a link on
 * the way to it. `undefined` where root alone can. The file itself does not count: its owner can't replace it.
 * What is not there yet is judged by the directory that is. Throws a `ForeignPathError` where several
 * users, or a group, or everybody can.
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
    // In a directory like /tmp each entry is its owner's.
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

/** Throws a `ForeignPathError` where this process is root's, and another user controls `path`. */
export function requireOwnPath (path: string): void {
  if (process.geteuid?.() !== 0) return
  const owner = ownerOf(path)
  if (owner !== undefined) throw foreign(path, owner)
}

export interface Acting {
  /** `undefined`: nothing was changed. */
  readonly as: Owner | undefined
  /** Takes the change back. */
  readonly end: () => void
}

/**
 * Makes this process, where it is root's, act as the user who controls `path`: it can't be led to what that
 * user may not touch. Throws a `ForeignPathError`.
 */
export function actAsOwnerOf (path: string): Acting {
  const owner = process.geteuid?.() === 0 ? ownerOf(path) : undefined
  if (owner === undefined) return { as: undefined, end: () => {} }
  const groups = process.getgroups?.() ?? []
  const group = process.getegid?.() ?? 0
  const end = (): void => {
    // Given up for good meanwhile.
    if (process.getuid?.() !== 0) return
    process.seteuid?.(0)
    process.setegid?.(group)
    process.setgroups?.(groups)
  }
  try {
    process.setgroups?.([owner.gid])
    process.setegid?.(owner.gid)
    process.seteuid?.(owner.uid)
    // What is loaded from now on has to be readable, too: a package below /root is not.
    closeSync(openSync(fileURLToPath(import.meta.url), 'r'))
    return { as: owner, end }
  } catch {
    end()
    throw foreign(path, owner)
  }
}

/** Does `work` as `actAsOwnerOf` says. The whole process changes its user meanwhile: for commands, not for servers. */
export async function asOwnerOf<T> (path: string, work: () => Promise<T>): Promise<T> {
  const { end } = actAsOwnerOf(path)
  try {
    return await work()
  } finally {
    end()
  }
}

/**
 * Gives up root for good where another user controls `path`, also after `actAsOwnerOf`. Throws a
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
  const who = (mode & 0o002) !== 0 ? 'everybody' : `the group ${gid}`
  return new ForeignPathError(
    `The directory ${directory} can be written by ${who}, so root must not write there: run this as the user ` +
      'of the server, with sudo -u, or make it writable only for its owner.'
  )
}

/** Others than its owner may write there. The group of root is root. */
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

/** Never the group of root: a directory that was given away by its user alone still has it. */
function identityOf ({ uid, gid }: Stats): Owner {
  const [name, , , group] = accountOf(uid)
  return { uid, gid: Number(group ?? (gid === 0 ? uid : gid)), name: name ?? `#${uid}` }
}

/** The fields of a line of the user database; none where this machine keeps it elsewhere. */
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
