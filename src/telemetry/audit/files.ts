/** Reads audit files while a server writes, rotates and deletes them. */
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'

export interface AuditFile {
  readonly path: string
  readonly handle: FileHandle
}

const mostTries = 20
const retryMs = 50
/** A server writes several lines at once, and a reader may briefly see only a part of them. */
const restMs = 100
const mostRests = 5
/** Far longer than any record. */
const longestLine = 1024 * 1024
/** RFC 1952 §2.3.1. */
const gzipStart = Buffer.from([0x1f, 0x8b])

/** The end of the name of a rotated file. */
const asideForm = /\.\d{8}T\d{6}-\d{3}$/

/** The rotated files, oldest first. */
export async function asideNames (path: string): Promise<readonly string[]> {
  const name = basename(path)
  const names = await readdir(dirname(path))
  return names.filter(one => one.replace(asideForm, '') === name && one !== name).sort()
}

/**
 * The name for the next rotated file. It sorts after all others, even if the clock was set back. `undefined`:
 * too many within a second.
 */
export function nextAsideName (name: string, last: string | undefined): string | undefined {
  const stamp = new Date().toISOString().replace(/[-:]/g, '').slice(0, 15)
  const [, lastStamp = '', lastNumber = ''] = /\.(\d{8}T\d{6})-(\d{3})$/.exec(last ?? '') ?? []
  if (stamp > lastStamp) return `${name}.${stamp}-000`
  const number = Number(lastNumber) + 1
  return number > 999 ? undefined : `${name}.${lastStamp}-${String(number).padStart(3, '0')}`
}

/**
 * The paths without repetitions, and the rotated files of a path before it. A shell lists `audit.jsonl*` the
 * other way round, which would look like tampering.
 */
export function inOrder (paths: readonly string[]): readonly string[] {
  const bases = new Set(paths.map(path => path.replace(asideForm, '')))
  return [...bases].flatMap(base => {
    const rotated = paths.filter(path => path !== base && path.replace(asideForm, '') === base)
    return [...new Set(rotated)].sort().concat(paths.includes(base) ? [base] : [])
  })
}

/** Opens each path. If one fails, closes the others and rejects with the error of the file system. */
export async function openFiles (paths: readonly string[]): Promise<readonly AuditFile[]> {
  const files: AuditFile[] = []
  try {
    for (const path of paths) files.push({ path, handle: await open(path) })
    return files
  } catch (error) {
    await closeFiles(files)
    throw error
  }
}

/**
 * Opens the rotated files of an audit log, oldest first, and then the current one. A file that is rotated in
 * the meantime is opened only once.
 */
export async function openAudit (path: string): Promise<readonly AuditFile[]> {
  for (let tries = 1; ; tries++) {
    const names = await asideNames(path)
    let files: readonly AuditFile[] = []
    try {
      files = await openFiles([...names.map(name => join(dirname(path), name)), path])
    } catch (error) {
      // It may have been rotated or deleted since it was listed.
      if (codeOf(error) !== 'ENOENT' || tries === mostTries) throw error
    }
    const isSame = String(await asideNames(path)) === String(names)
    if (files.length > 0 && (isSame || tries === mostTries)) return files
    await closeFiles(files)
    await sleep(retryMs)
  }
}

export async function closeFiles (files: readonly AuditFile[]): Promise<void> {
  await Promise.all(files.map(async ({ handle }) => { await handle.close() }))
}

/**
 * The lines of a file without line breaks. A line of more than 1 MiB is truncated. Rejects with the error of
 * the file system and its `path`, or with an `OperatorError` for a compressed file.
 */
export async function * linesOf (file: AuditFile): AsyncGenerator<string> {
  const buffer = Buffer.alloc(64 * 1024)
  let rest: Buffer = Buffer.alloc(0)
  let isFirst = true
  for (let rests = 0; ;) {
    const bytesRead = await readInto(buffer, file)
    if (bytesRead === 0) {
      if (rest.length === 0 || rests === mostRests) break
      rests += 1
      await sleep(restMs)
      continue
    }
    rests = 0
    const chunk = buffer.subarray(0, bytesRead)
    if (isFirst && chunk.subarray(0, 2).equals(gzipStart)) {
      throw new OperatorError(`${file.path} is compressed: unpack it, or pass it as <(zcat ${file.path}).`)
    }
    isFirst = false
    let from = 0
    for (let to = chunk.indexOf(0x0a); to >= 0; to = chunk.indexOf(0x0a, from)) {
      yield textOf(Buffer.concat([rest, chunk.subarray(from, to)]))
      rest = Buffer.alloc(0)
      from = to + 1
    }
    if (rest.length < longestLine) rest = Buffer.concat([rest, chunk.subarray(from)])
  }
  if (rest.length > 0) yield textOf(rest)
}

/** Reads from the current position, because a pipe has no other. */
async function readInto (buffer: Buffer, { handle, path }: AuditFile): Promise<number> {
  try {
    return (await handle.read(buffer, 0, buffer.length, null)).bytesRead
  } catch (error) {
    throw Object.assign(error as NodeJS.ErrnoException, { path })
  }
}

/** Does not use `readline`, because it also splits at characters that JSON may contain. */
function textOf (line: Buffer): string {
  return line.toString('utf8', 0, longestLine).replace(/\r$/, '')
}
