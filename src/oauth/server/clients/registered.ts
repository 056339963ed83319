/** Clients that the operator registers with the `clients` command. They may use custom redirect schemes. */
import { randomBytes } from 'node:crypto'
import type { Documents } from '../documents/documents.js'
import { type Client, ClientMetadataError, readClientMetadata } from './client.js'

export interface RegisteredClient extends Client {
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

export interface Registration {
  /** Default: a random id. */
  readonly id?: string | undefined
  readonly name: string
  readonly redirectUris: readonly string[]
  readonly jwksUri?: string | undefined
}

/** Must not look like the ids of other sources: no URL, no `dyn-` prefix. */
const idForm = /^(?!dyn-)[A-Za-z0-9][\w.-]{0,62}$/

/**
 * Registers a client. Rejects with a `ClientMetadataError` if the registration is not valid or the id is in
 * use.
 */
export async function addClient (
  documents: Documents,
  { id = `client-${randomBytes(8).toString('hex')}`, name, redirectUris, jwksUri }: Registration
): Promise<RegisteredClient> {
  if (!idForm.test(id)) {
    throw new ClientMetadataError(
      'A client id is 1 to 63 letters, digits, "_", "." and "-", and does not begin with dyn-'
    )
  }
  const metadata = readClientMetadata(
    {
      client_name: name,
      redirect_uris: redirectUris,
      ...(jwksUri === undefined ? {} : { jwks_uri: jwksUri, token_endpoint_auth_method: 'private_key_jwt' })
    },
    { customSchemes: true }
  )
  const createdAt = Date.now()
  const isNew = await documents.put(
    'registered',
    documentId(id),
    { ...metadata, id, createdAt },
    { version: 0, endsAt: null }
  )
  if (!isNew) {
    throw new ClientMetadataError(
      'The client id is already in use: choose another one, or remove that client first'
    )
  }
  return { ...metadata, id, source: 'registered', createdAt }
}

export async function removeClient (documents: Documents, id: string): Promise<boolean> {
  return idForm.test(id) && await documents.remove('registered', documentId(id))
}

export async function listClients (documents: Documents): Promise<readonly RegisteredClient[]> {
  const all = (await documents.list('registered')).map(({ value }) => clientOf(value))
  return all.sort((a, b) => a.createdAt - b.createdAt)
}

export async function findRegistered (documents: Documents, id: string): Promise<Client | undefined> {
  const found = idForm.test(id) ? await documents.get('registered', documentId(id)) : undefined
  return found === undefined ? undefined : clientOf(found.value)
}

/** In hex, because a client id may contain a dot and a document id must not. */
function documentId (id: string): string {
  return Buffer.from(id).toString('hex')
}

function clientOf (value: object): RegisteredClient {
  return { ...value as Omit<RegisteredClient, 'source'>, source: 'registered' }
}
