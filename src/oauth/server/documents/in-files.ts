/** Documents as files in a directory, shared by the server processes and the commands. */
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
  type ListedDocument,
  maxDocuments,
  requireDocumentId,
  type StoredDocument
} from './documents.js'

export interface FileDocumentsOptions {
  /** Created with mode 0700 if it is missing. Its parent must exist and be private. */
  readonly directory: string
  /** Milliseconds between two removals of expired documents. Default 60,000. */
  readonly sweepMs?: number
}

const ending = '.json'
const maxOpenFiles = 64

export function documentsInFiles ({ directory, sweepMs = 60_000 }: FileDocumentsOptions): Documents {
  /**
   * The last change of each kind. Changes of this process wait for each other here, which is faster than the
   * file lock.
   */
  const turns = new Map<DocumentKind, Promise<unknown>>()
  const timer = setInterval(() => { sweepAll().catch(() => {}) }, sweepMs).unref()

  function folderOf (kind: DocumentKind): string {
    return join(directory, kind)
  }

  function pathOf (kind: DocumentKind, id: string): string {
    requireDocumentId(id)
    return join(folderOf(kind), id + ending)
  }

  /** Runs `work` while no other process changes documents of this kind. */
  async function exclusively<T> (kind: DocumentKind, work: () => Promise<T>): Promise<T> {
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
        await exclusively(kind, async () => {
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
    get: async (kind, id) => await readUnexpired(pathOf(kind, id)),

    put: async (kind, id, value, { version, endsAt }) => {
      const path = pathOf(kind, id)
      return await exclusively(kind, async () => {
        const current = await readUnexpired(path)
        if ((current?.version ?? 0) !== version) return false
        if (current === undefined) await requireRoom(kind)
        await replaceFile(path, `${JSON.stringify({ version: version + 1, endsAt, value })}\n`)
        return true
      })
    },

    remove: async (kind, id) => {
      const path = pathOf(kind, id)
      return await exclusively(kind, async () => {
        const exists = await readUnexpired(path) !== undefined
        await rm(path, { force: true })
        return exists
      })
    },

    list: async kind => {
      const names = await namesOf(kind)
      const found: ListedDocument[] = []
      // In batches, because a process can open only so many files at once.
      for (let start = 0; start < names.length; start += maxOpenFiles) {
        const batch = names.slice(start, start + maxOpenFiles)
        const documents = await Promise.all(batch.map(async name => ({
          id: name.slice(0, -ending.length),
          document: await readUnexpired(join(folderOf(kind), name))
        })))
        found.push(...documents.flatMap(({ id, document }) => document === undefined ? [] : [{ id, ...document }]))
      }
      return found
    },

    close: async () => {
      clearInterval(timer)
      await Promise.all(turns.values())
    }
  }
}

async function readUnexpired (path: string): Promise<StoredDocument | undefined> {
  const document = await read(path)
  return document === undefined || hasEnded(document) ? undefined : document
}

/** `undefined` for a missing file and for a file that this server did not write. */
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
