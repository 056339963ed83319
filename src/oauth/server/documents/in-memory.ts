/** Documents in the memory of the process. They are lost when it ends. */
import {
  type Documents,
  DocumentsFullError,
  hasEnded,
  maxDocuments,
  requireDocumentId,
  type StoredDocument
} from './documents.js'

export function documentsInMemory (): Documents {
  const kinds = new Map<string, Map<string, StoredDocument>>()

  function all (kind: string): Map<string, StoredDocument> {
    const found = kinds.get(kind) ?? new Map()
    kinds.set(kind, found)
    return found
  }

  function find (kind: string, id: string): StoredDocument | undefined {
    requireDocumentId(id)
    const found = all(kind).get(id)
    return found === undefined || hasEnded(found) ? undefined : found
  }

  function sweep (kind: string): void {
    for (const [id, document] of all(kind)) if (hasEnded(document)) all(kind).delete(id)
  }

  return {
    get: async (kind, id) => find(kind, id),

    put: async (kind, id, value, { version, endsAt }) => {
      const current = find(kind, id)
      if ((current?.version ?? 0) !== version) return false
      if (current === undefined && all(kind).size >= maxDocuments) {
        sweep(kind)
        if (all(kind).size >= maxDocuments) throw new DocumentsFullError(kind)
      }
      // A copy, like in the other stores, so that later changes to `value` have no effect.
      all(kind).set(id, { value: JSON.parse(JSON.stringify(value)), version: version + 1, endsAt })
      return true
    },

    remove: async (kind, id) => find(kind, id) !== undefined && all(kind).delete(id),

    list: async kind => {
      sweep(kind)
      return [...all(kind)].map(([id, document]) => ({ id, ...document }))
    },

    close: async () => { kinds.clear() }
  }
}
