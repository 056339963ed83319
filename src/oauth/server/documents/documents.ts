/** The port behind which the authorization server keeps what it must remember: small JSON documents with a version. */

/**
 * `grant`: who approved which client. `code`: an authorization code by its digest. `client`: one that registered
 * itself. `registered`: one that the operator registered. `once`: something that may be used a single time.
 */
export const documentKinds = ['grant', 'code', 'client', 'registered', 'once'] as const
export type DocumentKind = typeof documentKinds[number]

export interface StoredDocument {
  /** Plain JSON, as it was put. */
  readonly value: Readonly<Record<string, unknown>>
  /** From 1; each change adds one. */
  readonly version: number
  /** When it is gone by itself, in milliseconds since the epoch; `null` for never. */
  readonly endsAt: number | null
}

export interface ListedDocument extends StoredDocument {
  readonly id: string
}

export interface PutOptions {
  /** The version that is to be replaced; 0: there must be none. */
  readonly version: number
  readonly endsAt: number | null
}

/**
 * Every change names the version that it replaces, so that of several who change the same document at once
 * exactly one wins, across all processes that share the store. Rejects where the store cannot be used.
 */
export interface Documents {
  /**
   * `undefined` where there is none, or it has ended. `id`: 1 to 128 letters, digits, `_` and `-`; others
   * are a `RangeError`.
   */
  readonly get: (kind: DocumentKind, id: string) => Promise<StoredDocument | undefined>
  /**
   * False where somebody else was first: read it again. Rejects with a `DocumentsFullError` where there are
   * too many.
   */
  readonly put: (kind: DocumentKind, id: string, value: object, options: PutOptions) => Promise<boolean>
  /** False where there was none. */
  readonly remove: (kind: DocumentKind, id: string) => Promise<boolean>
  /** In no order. */
  readonly list: (kind: DocumentKind) => Promise<readonly ListedDocument[]>
  readonly close: () => Promise<void>
}

/** How many documents of a kind there may be: it bounds what strangers can make this server keep. */
export const maxDocuments = 20_000

export class DocumentsFullError extends Error {
  override readonly name = 'DocumentsFullError'

  constructor (kind: DocumentKind) {
    super(`There are ${maxDocuments} OAuth documents of the kind "${kind}" already`)
  }
}

const idForm = /^[\w-]{1,128}$/

/** Throws a `RangeError`: the id becomes the name of a file, or a part of a key. */
export function requireDocumentId (id: string): void {
  if (!idForm.test(id)) throw new RangeError('The id of an OAuth document is 1 to 128 letters, digits, _ and -')
}

export function hasEnded ({ endsAt }: { readonly endsAt: number | null }, now = Date.now()): boolean {
  return endsAt !== null && endsAt <= now
}

/** Claims `id` for a single use until `endsAt`. False where it was used before. */
export async function useOnce (documents: Documents, id: string, endsAt: number, value: object = {}): Promise<boolean> {
  return await documents.put('once', id, value, { version: 0, endsAt })
}

/** How often a change is tried again where others change the same document. */
const maxTries = 20

/**
 * Changes a document as its newest version asks for. `change` returns the new value, or `undefined` to leave it;
 * it may be called several times. Resolves to the document as it is then; `undefined` where there is none.
 */
export async function changeDocument (
  documents: Documents,
  kind: DocumentKind,
  id: string,
  change: (value: StoredDocument['value']) => object | undefined
): Promise<StoredDocument['value'] | undefined> {
  for (let tries = 0; tries < maxTries; tries++) {
    const before = await documents.get(kind, id)
    if (before === undefined) return undefined
    const value = change(before.value)
    if (value === undefined) return before.value
    if (await documents.put(kind, id, value, { version: before.version, endsAt: before.endsAt })) return { ...value }
  }
  throw new Error(`The OAuth document of the kind "${kind}" keeps changing`)
}
