/** Clients whose id is the URL of their metadata (draft-ietf-oauth-client-id-metadata-document). */
import { builtInDocuments } from './built-in.js'
import { type Client, type ClientMetadata, ClientMetadataError, readClientMetadata } from './client.js'
import { DocumentFetchError, type DocumentFetcher } from './guarded-fetch.js'
import { OAuthError } from '../protocol/oauth-error.js'

export interface ClientDocumentsOptions {
  readonly fetchDocument: DocumentFetcher
  /** Called for documents that cannot be fetched or are not valid. `why` is a constant. */
  readonly report?: (clientId: string, why: string) => void
}

export interface ClientDocuments {
  /**
   * `undefined` if there is no valid document. Rejects with `temporarily_unavailable` if too many documents
   * are being fetched.
   */
  find: (clientId: string) => Promise<Client | undefined>
  /** True if `find` just failed because the document could not be fetched, so the client may exist. */
  isAway: (clientId: string) => boolean
}

interface Failure {
  readonly until: number
  readonly isAway: boolean
}

interface Kept {
  readonly metadata: ClientMetadata
  readonly freshUntil: number
  readonly staleUntil: number
}

const limits = { maxBytes: 5 * 1024, timeoutMs: 5000 }
const hourMs = 60 * 60_000
const weekMs = 7 * 24 * hourMs
const failureMs = 60_000
const maxKept = 1000
const maxFetches = 16

/** True for the URL of a document (§3): https, with a path, without user info, fragment and dot segments. */
export function isDocumentUrl (clientId: string): boolean {
  if (
    clientId.length > 1000 ||
    !/^https:\/\/[a-z0-9.-]+(?::\d{1,5})?\/[^#\\\s]+$/.test(clientId) ||
    !URL.canParse(clientId)
  ) { return false }
  const url = new URL(clientId)
  // The parser removes dot segments and normalizes other parts. A URL that changes in this way is refused.
  return url.href === clientId && url.username === '' && !/%2e/i.test(url.pathname)
}

export function createClientDocuments ({ fetchDocument, report = () => {} }: ClientDocumentsOptions): ClientDocuments {
  const kept = new Map<string, Kept>()
  const failures = new Map<string, Failure>()
  const pending = new Map<string, Promise<Client | undefined>>()

  function remember<T> (map: Map<string, T>, id: string, value: T): void {
    map.delete(id)
    // A Map keeps the insertion order, so the first key is the oldest.
    for (const oldest of map.keys()) if (map.size >= maxKept) map.delete(oldest)
    map.set(id, value)
  }

  async function load (id: string): Promise<Client | undefined> {
    try {
      const { json, maxAgeSeconds = 0 } = await fetchDocument(new URL(id), limits)
      const metadata = readDocument(json, id)
      const freshUntil = Date.now() + Math.min(weekMs, Math.max(hourMs, maxAgeSeconds * 1000))
      failures.delete(id)
      remember(kept, id, { metadata, freshUntil, staleUntil: freshUntil + weekMs })
      return clientOf(id, metadata)
    } catch (error) {
      if (!(error instanceof DocumentFetchError || error instanceof ClientMetadataError)) throw error
      // The client withdrew the document or replaced it with an invalid one: the cached copy must not be
      // used.
      if (error instanceof ClientMetadataError || error.isGone) kept.delete(id)
      const isAway = error instanceof DocumentFetchError && !error.isGone
      remember(failures, id, { until: Date.now() + failureMs, isAway })
      report(id, error.message)
      return fallback(id)
    }
  }

  function fallback (id: string): Client | undefined {
    const cached = kept.get(id)
    const metadata = cached !== undefined && Date.now() < cached.staleUntil ? cached.metadata : builtInDocuments.get(id)
    return metadata === undefined ? undefined : clientOf(id, metadata)
  }

  return {
    async find (id) {
      if (!isDocumentUrl(id)) return undefined
      const now = Date.now()
      const cached = kept.get(id)
      if (cached !== undefined && now < cached.freshUntil) return clientOf(id, cached.metadata)
      if ((failures.get(id)?.until ?? 0) > now) return fallback(id)
      const running = pending.get(id)
      if (running !== undefined) return await running
      if (pending.size >= maxFetches) {
        const substitute = fallback(id)
        if (substitute !== undefined) return substitute
        throw new OAuthError('temporarily_unavailable', 'Too many client documents are being fetched', {
          retryAfterSeconds: 5
        })
      }
      const fetching = load(id).finally(() => { pending.delete(id) })
      pending.set(id, fetching)
      return await fetching
    },

    isAway: id => failures.get(id)?.isAway === true
  }
}

/** The document must name its own URL as `client_id`. Nothing else in it is verified. */
function readDocument (json: unknown, id: string): ClientMetadata {
  if (Object(json).client_id !== id) throw new ClientMetadataError('The document names another client_id')
  return readClientMetadata(json)
}

function clientOf (id: string, metadata: ClientMetadata): Client {
  return { ...metadata, id, source: 'document' }
}
