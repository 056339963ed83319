/** The storage port of the authorization server: small JSON documents with a version. */

/**
 * `grant`: an approved client. `code`: an authorization code, by its digest. `client`: a client that
 * registered itself. `registered`: a client that the operator registered. `once`: an id that may be used
 * once. `denied`: a sign-in that was denied without a key.
 */
export const documentKinds = ['grant', 'code', 'client', 'registered', 'once', 'denied'] as const
export type DocumentKind = typeof documentKinds[number]

export interface StoredDocument {
  /** Plain JSON. */
  readonly value: Readonly<Record<string, unknown>>
  /** Starts at 1. Each change adds one. */
  readonly version: number
  /** When it expires, in milliseconds since the epoch. `null`: never. */
  readonly endsAt: number | null
}

export interface ListedDocument extends StoredDocument {
  readonly id: string
}

export interface PutOptions {
  /** The version to replace. 0: the document must not exist. */
  readonly version: number
  readonly endsAt: number | null
}

/**
 * A store with optimistic locking. Every change names the version that it replaces, so only one of several
 * concurrent changes succeeds, across all processes that share the store. All methods reject if the store is
 * unavailable.
 */
export interface Documents {
  /**
   * `undefined` if the document does not exist or has expired. `id` is 1 to 128 letters, digits, `_` and `-`;
   * other ids cause a `RangeError`.
   */
  readonly get: (kind: DocumentKind, id: string) => Promise<StoredDocument | undefined>
  /**
   * False if the document has another version: read it again. Rejects with a `DocumentsFullError` if there
   * are too many documents of this kind.
   */
  readonly put: (kind: DocumentKind, id: string, value: object, options: PutOptions) => Promise<boolean>
  /** False if the document does not exist. */
  readonly remove: (kind: DocumentKind, id: string) => Promise<boolean>
  /** In any order. */
  readonly list: (kind: DocumentKind) => Promise<readonly ListedDocument[]>
  readonly close: () => Promise<void>
}

/**
 * The maximum number of documents of a kind. Without a limit, unauthenticated requests could fill the store.
 */
export const maxDocuments = 20_000

export class DocumentsFullError extends Error {
  override readonly name = 'DocumentsFullError'

  constructor (kind: DocumentKind) {
    super(`The store already has ${maxDocuments} OAuth documents of the kind "${kind}", which is the maximum`)
  }
}

const idForm = /^[\w-]{1,128}$/

/**
 * Throws a `RangeError` for other ids: the id becomes a file name or a part of a Redis key (path traversal).
 */
export function requireDocumentId (id: string): void {
  if (!idForm.test(id)) throw new RangeError('An OAuth document id must be 1 to 128 letters, digits, _ or -')
}

export function hasEnded ({ endsAt }: { readonly endsAt: number | null }, now = Date.now()): boolean {
  return endsAt !== null && endsAt <= now
}

/** Marks `id` as used until `endsAt`. False if it was already used. */
export async function useOnce (
  documents: Documents,
  id: string,
  endsAt: number,
  kind: 'once' | 'denied' = 'once'
): Promise<boolean> {
  return await documents.put(kind, id, {}, { version: 0, endsAt })
}
