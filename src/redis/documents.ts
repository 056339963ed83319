/** The documents of the authorization server in Redis, shared by all instances. */
import { isRecord } from '../lib/guards.js'
import {
  type DocumentKind,
  type Documents,
  DocumentsFullError,
  type ListedDocument,
  maxDocuments,
  requireDocumentId,
  type StoredDocument
} from '../oauth/server/documents/documents.js'
import type { RedisKeys } from './link/keys.js'
import type { Link } from './link/link.js'
import { clock, script } from './link/scripts.js'

/**
 * A document is stored as `<version> <JSON>` and expires when it ends. The index of its kind has the end
 * times.
 */
const put = script(`${clock}
local before = redis.call('GET', KEYS[1])
local version = before and tonumber(string.match(before, '^(%d+) ')) or 0
if version ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now())
if not before and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) then return -1 end
local endsAt = tonumber(ARGV[4])
if endsAt == 0 then
  redis.call('SET', KEYS[1], ARGV[3])
  redis.call('ZADD', KEYS[2], '+inf', ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PXAT', endsAt)
  redis.call('ZADD', KEYS[2], endsAt, ARGV[1])
end
return 1
`)

const remove = script(`
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
`)

export interface RedisDocumentsOptions {
  readonly link: Link
  readonly keys: RedisKeys
}

export class RedisDocuments implements Documents {
  readonly #link: Link
  readonly #keys: RedisKeys

  constructor ({ link, keys }: RedisDocumentsOptions) {
    this.#link = link
    this.#keys = keys
  }

  async get (kind: DocumentKind, id: string): Promise<StoredDocument | undefined> {
    return read(await this.#link.call('GET', this.#keyOf(kind, id)))
  }

  async put (
    kind: DocumentKind,
    id: string,
    value: object,
    { version, endsAt }: { readonly version: number; readonly endsAt: number | null }
  ): Promise<boolean> {
    const text = `${version + 1} ${JSON.stringify({ endsAt, value })}`
    // A time in the past (1) deletes a document that has already ended. 0 means no end.
    const end = endsAt === null ? 0 : Math.max(1, Math.floor(endsAt))
    const done = await this.#link.run(
      put,
      [this.#keyOf(kind, id), this.#indexOf(kind)],
      [id, version, text, end, maxDocuments]
    )
    if (done === -1) throw new DocumentsFullError(kind)
    return done === 1
  }

  async remove (kind: DocumentKind, id: string): Promise<boolean> {
    return (await this.#link.run(remove, [this.#keyOf(kind, id), this.#indexOf(kind)], [id])) === 1
  }

  async list (kind: DocumentKind): Promise<readonly ListedDocument[]> {
    const ids = await this.#link.call('ZRANGEBYSCORE', this.#indexOf(kind), Date.now(), '+inf')
    if (!Array.isArray(ids) || ids.length === 0) return []
    const found: ListedDocument[] = []
    // In batches, because each command has a deadline.
    for (let start = 0; start < ids.length; start += 500) {
      const batch = ids.slice(start, start + 500).map(String)
      const texts = await this.#link.call('MGET', ...batch.map(id => this.#keyOf(kind, id)))
      for (const [index, text] of (Array.isArray(texts) ? texts : []).entries()) {
        const document = read(text)
        if (document !== undefined) found.push({ id: batch[index] ?? '', ...document })
      }
    }
    return found
  }

  /** Does nothing: the owner of the link closes it. */
  async close (): Promise<void> {}

  #keyOf (kind: DocumentKind, id: string): string {
    requireDocumentId(id)
    return this.#keys.of('oauth', kind, `:${id}`)
  }

  #indexOf (kind: DocumentKind): string {
    return this.#keys.of('oauth', kind)
  }
}

function read (text: unknown): StoredDocument | undefined {
  const [, version, json] = typeof text === 'string' ? /^(\d+) (.*)$/s.exec(text) ?? [] : []
  if (json === undefined) return undefined
  const { endsAt, value } = Object(JSON.parse(json))
  return isRecord(value)
    ? { version: Number(version), endsAt: typeof endsAt === 'number' ? endsAt : null, value }
    : undefined
}
