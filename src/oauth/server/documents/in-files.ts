/** Documents in a directory, a file each: shared by all processes that use it, and read by the commands. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile, withFileLock } from '../../../lib/atomic-file.js'
import { codeOf, isRecord } from '../../../lib/guards.js'
import {
  type DocumentKind,
  documentKinds,
  type Documents,
  DocumentsFullError,
  hasEnded,
  maxDocuments,
  requireDocumentId,
  type StoredDocument
} from './documents.js'

export interface FileDocumentsOptions {
  /** The directory for them; made with mode 0700 where it is missing. Its parent is there, and private. */
  readonly directory: string
  /** Milliseconds between two sweeps of what has ended. Default 60,000. */
  readonly sweepMs?: number
}

const ending = '.json'

export function documentsInFiles ({ directory, sweepMs = 60_000 }: FileDocumentsOptions): Documents {
  /** The last change of each kind: within this process they wait here, and not for the lock of the file system. */
  const turns = new Map<DocumentKind, Promise<unknown>>()
  const timer = setInterval(() => { sweepAll().catch(() => {}) }, sweepMs).unref()

  function folderOf (kind: DocumentKind): string {
    return join(directory, kind)
  }

  function pathOf (kind: DocumentKind, id: string): string {
    requireDocumentId(id)
    return join(folderOf(kind), id + ending)
  }

  /** Alone among all processes. */
  async function alone<T> (kind: DocumentKind, work: () => Promise<T>): Promise<T> {
    const turn = (turns.get(kind) ?? Promise.resolve()).then(async () => {
      await mkdir(folderOf(kind), { recursive: true, mode: 0o700 })
      return await withFileLock(folderOf(kind), work)
    })
    turns.set(kind, turn.catch(() => {}))
    return await turn
  }

  async function namesOf (kind: DocumentKind): Promise<string[]> {
    try {
      return (await readdir(folderOf(kind))).filter(name => name.endsWith(ending))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  }

  async function sweep (kind: DocumentKind): Promise<void> {
    for (const name of await namesOf(kind)) {
      const path = join(folderOf(kind), name)
      const document = await read(path)
      if (document === undefined || hasEnded(document)) await rm(path, { force: true })
    }
  }

  async function sweepAll (): Promise<void> {
    for (const kind of documentKinds) {
      if ((await namesOf(kind)).length > 0) {
        await alone(kind, async () => {
          await sweep(kind)
        })
      }
    }
  }

  async function requireRoom (kind: DocumentKind): Promise<void> {
    if ((await namesOf(kind)).length < maxDocuments) return
    await sweep(kind)
    if ((await namesOf(kind)).length >= maxDocuments) throw new DocumentsFullError(kind)
  }

  return {
    get: async (kind, id) => await live(pathOf(kind, id)),

    put: async (kind, id, value, { version, endsAt }) => {
      const path = pathOf(kind, id)
      return await alone(kind, async () => {
        const before = await live(path)
        if ((before?.version ?? 0) !== version) return false
        if (before === undefined) await requireRoom(kind)
        await replaceFile(path, `${JSON.stringify({ version: version + 1, endsAt, value })}\n`)
        return true
      })
    },

    remove: async (kind, id) => {
      const path = pathOf(kind, id)
      return await alone(kind, async () => {
        const isThere = await live(path) !== undefined
        await rm(path, { force: true })
        return isThere
      })
    },

    list: async kind => {
      const found = await Promise.all(
        (await namesOf(kind)).map(async name => ({
          id: name.slice(0, -ending.length),
          document: await live(join(folderOf(kind), name))
        }))
      )
      return found.flatMap(({ id, document }) => document === undefined ? [] : [{ id, ...document }])
    },

    close: async () => {
      clearInterval(timer)
      await Promise.all(turns.values())
    }
  }
}

async function live (path: string): Promise<StoredDocument | undefined> {
  const document = await read(path)
  return document === undefined || hasEnded(document) ? undefined : document
}

/** `undefined` for a missing file, and for one that this server did not write: it admits nobody. */
async function read (path: string): Promise<StoredDocument | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const { version, endsAt, value } = Object(JSON.parse(text))
    if (
      !Number.isSafeInteger(version) ||
      !isRecord(value) ||
      (endsAt !== null && typeof endsAt !== 'number')
    ) {
      return undefined
    }
    return { version, endsAt, value }
  } catch {
    return undefined
  }
}
