/** Finds a client by its id in the enabled sources. */
import type { Documents } from '../documents/documents.js'
import type { ClientSource } from '../protocol/metadata.js'
import type { Client } from './client.js'
import { type ClientDocuments, createClientDocuments } from './documents.js'
import { createDynamicClients, type DynamicClients } from './dynamic.js'
import type { DocumentFetcher } from './guarded-fetch.js'
import { findRegistered } from './registered.js'

export interface ClientDirectoryOptions {
  readonly documents: Documents
  readonly sources: readonly ClientSource[]
  readonly fetchDocument: DocumentFetcher
  readonly report: (clientId: string, why: string) => void
}

export interface ClientDirectory {
  /** `undefined` if the client is unknown. */
  find: (clientId: string) => Promise<Client | undefined>
  /** True if `find` just failed because the document of the client could not be fetched. */
  isAway: (clientId: string) => boolean
  /** `undefined` if dynamic registration is off. */
  readonly dynamic: DynamicClients | undefined
}

export function createClientDirectory ({
  documents,
  sources,
  fetchDocument,
  report
}: ClientDirectoryOptions): ClientDirectory {
  const published: ClientDocuments | undefined = sources.includes('documents')
    ? createClientDocuments({ fetchDocument, report })
    : undefined
  const dynamic = sources.includes('dynamic') ? createDynamicClients({ documents }) : undefined
  const hasRegistered = sources.includes('registered')

  return {
    dynamic,

    isAway: clientId => published?.isAway(clientId) === true,

    async find (clientId) {
      // The id tells the source: a URL is a document, `dyn-` a dynamic client, anything else a registered
      // one.
      if (clientId.startsWith('https:')) return await published?.find(clientId)
      if (clientId.startsWith('dyn-')) return await dynamic?.find(clientId)
      return hasRegistered ? await findRegistered(documents, clientId) : undefined
    }
  }
}
