/** An append-only file, rotated by size and age. Writers never wait. */
import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { underLock } from '../../lib/atomic-file.js'
import { codeOf } from '../../lib/guards.js'
import type { Head, Sealed } from './chain.js'
import { asideNames, nextAsideName } from './files.js'

export interface RotatingFileOptions {
  readonly path: string
  /** The size in bytes at which the file is rotated. */
  readonly maxBytes: number
  /** How many rotated files are kept. */
  readonly keep: number
  /** Bytes that may wait for the disk. */
  readonly maxQueuedBytes: number
  /** The first line of a file that continues a chain. `isTorn`: the previous line is incomplete. */
  readonly continuation: (after: Head, isTorn: boolean) => string
  /**
   * Called with the error's code when the file cannot be written, and with `undefined` when it can be again.
   */
  readonly onTurn: (code: string | undefined) => void
  /** The same for rotation. A file that cannot be rotated is still written. */
  readonly onRotationTurn: (code: string | undefined) => void
}

/** The end of an existing file, written by an earlier process. */
export interface FileEnd {
  readonly text: string | undefined
  /** True if the last line has no line break, because a process ended while it wrote. */
  readonly isTorn: boolean
}

/** O_NONBLOCK: opening a named pipe without a reader would block a thread. */
const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK
const retryMs = 1000
const batchLines = 256
/** How long lines are collected before a write, because a write costs as much as a whole request. */
const gatherMs = 10
const tailBytes = 64 * 1024

export class RotatingFile {
  readonly #options: RotatingFileOptions
  #queue: Sealed[] = []
  #queuedBytes = 0
  #file: FileHandle | undefined
  #size = 0
  #day = ''
  #inode = 0
  #isRotated = true
  #lookedAt = -Infinity
  #triedToRotateAt = -Infinity
  #last: Head | undefined
  /** The lines being written, and how many of their bytes are written already. */
  #batch: readonly Sealed[] = []
  #bytes = Buffer.alloc(0)
  #written = 0
  #failedBy: string | undefined
  #unrotatedBy: string | undefined
  #flushing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosing = false
  #isClosed = false

  constructor (options: RotatingFileOptions) {
    this.#options = options
  }

  /** Rejects if the file cannot be used. */
  async begin (): Promise<FileEnd> {
    const file = await open(this.#options.path, flags, 0o600)
    try {
      const { size } = await file.stat()
      const text = size === 0 ? '' : await textAt(file, Math.max(0, size - tailBytes))
      const isTorn = text !== '' && !text.endsWith('\n')
      const whole = text.slice(0, text.lastIndexOf('\n') + 1)
      return { text: whole.trimEnd().split('\n').at(-1) || undefined, isTorn }
    } finally {
      await file.close()
    }
  }

  get queuedBytes (): number { return this.#queuedBytes }
  get isFailing (): boolean { return this.#failedBy !== undefined || this.#unrotatedBy !== undefined }

  hasRoom (): boolean {
    return !this.#isClosed && this.#queuedBytes < this.#options.maxQueuedBytes
  }

  add (sealed: Sealed): void {
    this.#queue.push(sealed)
    this.#queuedBytes += Buffer.byteLength(sealed.line)
    if (this.#flushing === undefined && this.#timer === undefined) this.#flushing = this.#flushLater()
  }

  /** Writes the pending lines, for at most `ms`. */
  async close (ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<void>(resolve => { timer = setTimeout(resolve, ms) })
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isClosing = true
    this.#flushing ??= this.#flush()
    await Promise.race([this.#flushing, timeUp])
    clearTimeout(timer)
    this.#isClosed = true
    clearTimeout(this.#timer)
    await Promise.race([
      this.#file?.close().catch(() => {}),
      new Promise<void>(resolve => {
        setTimeout(resolve, ms).unref()
      })
    ])
    this.#file = undefined
  }

  async #flushLater (): Promise<void> {
    await new Promise(resolve => { setTimeout(resolve, gatherMs) })
    await this.#flush()
  }

  async #flush (): Promise<void> {
    try {
      if (this.#queue.length > 0 && !this.#isClosed) await this.#writeSome()
      while (this.#hasWork && !this.#isClosed) await this.#writeSome()
      this.#turn(undefined)
    } catch (error) {
      this.#turn(codeOf(error))
      await this.#leave()
      if (!this.#isClosed) this.#timer = setTimeout(() => { this.#retry() }, retryMs).unref()
    } finally {
      this.#flushing = undefined
    }
    // Lines that arrived during the last write.
    if (this.#queue.length > 0 && this.#timer === undefined && !this.#isClosed) this.#flushing = this.#flushLater()
  }

  #retry (): void {
    this.#timer = undefined
    this.#flushing ??= this.#flush()
  }

  /** New lines wait for more, unless there are many, the disk works again, or the file is being closed. */
  get #hasWork (): boolean {
    const isUrgent = this.#isClosing || this.#failedBy !== undefined
    return this.#batch.length > 0 || this.#queue.length >= (isUrgent ? 1 : batchLines)
  }

  async #writeSome (): Promise<void> {
    const file = await this.#ready()
    if (this.#batch.length === 0) this.#take(this.#queue.splice(0, batchLines))
    // The disk may accept only a part of a write. Bytes that were written are never written again.
    while (this.#written < this.#bytes.length) {
      const { bytesWritten } = await file.write(this.#bytes.subarray(this.#written))
      this.#size += bytesWritten
      this.#written += bytesWritten
    }
    this.#settle()
  }

  #take (batch: readonly Sealed[]): void {
    this.#batch = batch
    this.#bytes = Buffer.from(batch.map(({ line }) => line).join(''))
    this.#written = 0
  }

  /** Drops the lines that were completely written. An incomplete line is written again from its beginning. */
  #settle (): void {
    if (this.#written === this.#bytes.length) {
      this.#last = this.#batch.at(-1) ?? this.#last
      this.#queuedBytes -= this.#written
      return this.#take([])
    }
    let count = 0
    let bytes = 0
    for (const sealed of this.#batch) {
      const size = Buffer.byteLength(sealed.line)
      if (bytes + size > this.#written) break
      count += 1
      bytes += size
      this.#last = sealed
    }
    this.#queuedBytes -= bytes
    this.#take(this.#batch.slice(count))
  }

  /** The file that is now at the path. An external program may have moved or deleted the old one. */
  async #ready (): Promise<FileHandle> {
    const { path } = this.#options
    if (this.#file !== undefined && performance.now() - this.#lookedAt >= retryMs) {
      this.#lookedAt = performance.now()
      if (await inodeOf(path) !== this.#inode) await this.#leave()
    }
    this.#file ??= await this.#open()
    // A half-written line must be completed in its own file.
    if (this.#written === 0 && this.#isDue() && performance.now() - this.#triedToRotateAt >= retryMs) {
      await this.#rotate()
      this.#file ??= await this.#open()
    }
    return this.#file
  }

  #isDue (): boolean {
    return this.#isRotated && this.#size > 0 && (this.#size >= this.#options.maxBytes || this.#day !== today())
  }

  async #open (): Promise<FileHandle> {
    const { path, continuation } = this.#options
    const file = await open(path, flags, 0o600)
    const stats = await file.stat()
    const { size, ino, mtime } = stats
    const isSame = ino === this.#inode
    this.#inode = ino
    this.#isRotated = stats.isFile() && !isOfSystem(path)
    this.#size = size
    // A file from another day is rotated at once.
    this.#day = size === 0 ? today() : mtime.toISOString().slice(0, 10)
    this.#lookedAt = performance.now()
    // A half-written line can only continue in its own file.
    if (isSame && this.#written > 0) return file
    this.#settle()
    const isTorn = size > 0 && (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer[0] !== 0x0a
    const begin = (isTorn ? '\n' : '') + (this.#last === undefined ? '' : continuation(this.#last, isTorn))
    const { bytesWritten } = begin === '' ? { bytesWritten: 0 } : await file.write(begin)
    this.#size += bytesWritten
    return file
  }

  async #rotate (): Promise<void> {
    let code: string | undefined
    try {
      // Two processes that rotate at the same moment would overwrite each other's rotated file.
      await underLock(this.#options.path, async () => { await this.#putAside() }, 0)
    } catch (error) {
      code = codeOf(error)
    }
    // Another process rotates it now.
    if (code === 'ELOCKED') return
    // The file or its directory was removed in the meantime.
    if (code === 'ENOENT') return await this.#leave()
    if (code !== undefined) this.#triedToRotateAt = performance.now()
    if (code === this.#unrotatedBy) return
    this.#unrotatedBy = code
    this.#options.onRotationTurn(code)
  }

  async #putAside (): Promise<void> {
    const { path } = this.#options
    if (await inodeOf(path) !== this.#inode) return await this.#leave()
    const name = nextAsideName(basename(path), (await asideNames(path)).at(-1))
    if (name === undefined) return
    await rename(path, join(dirname(path), name))
    await this.#leave()
    const kept = await asideNames(path)
    for (const name of kept.slice(0, Math.max(0, kept.length - this.#options.keep))) {
      await rm(join(dirname(path), name), { force: true })
    }
  }

  async #leave (): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close().catch(() => {})
  }

  #turn (code: string | undefined): void {
    if (code === this.#failedBy) return
    this.#failedBy = code
    this.#options.onTurn(code)
  }
}

/** Renaming `/dev/stdout`, even if it leads to a regular file, would take it away from all other programs. */
function isOfSystem (path: string): boolean {
  return /^\/(?:dev|proc)\//.test(resolve(path))
}

function today (): string {
  return new Date().toISOString().slice(0, 10)
}

async function textAt (file: FileHandle, position: number): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(tailBytes), 0, tailBytes, position)
  return buffer.subarray(0, bytesRead).toString()
}

async function inodeOf (path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino
  } catch {
    return undefined
  }
}
