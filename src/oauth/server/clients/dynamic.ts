/** Clients that register themselves (RFC 7591). They have no secret. */
import { sha256 } from '../../../lib/sha256.js'
import { type Documents, type ListedDocument } from '../documents/documents.js'
import { type Client, ClientMetadataError, readClientMetadata } from './client.js'
import { OAuthError } from '../protocol/oauth-error.js'

export interface DynamicClientsOptions {
  readonly documents: Documents
  /** The maximum number of clients. Default 1,000. */
  readonly max?: number
}

export interface DynamicClients {
  /** Registers a client or finds it. Rejects with `invalid_redirect_uri` or `invalid_client_metadata`. */
  register: (
    metadata: unknown
  ) => Promise<{ readonly client: Client; readonly issuedAt: number; readonly isNew: boolean }>
  find: (clientId: string) => Promise<Client | undefined>
  /** Extends the life of a client when it gets a token. */
  used: (clientId: string) => Promise<void>
}

const prefix = 'dyn-'
const dayMs = 24 * 60 * 60_000
/** Lifetime of a client that never got a token. */
const unusedMs = dayMs
/** Lifetime of a client after it last got a token. */
const usedMs = 90 * dayMs

export function createDynamicClients ({ documents, max = 1000 }: DynamicClientsOptions): DynamicClients {
  /** Removes the oldest clients that were never used, if there are too many. */
  async function makeRoom (): Promise<void> {
    const all = await documents.list('client')
    if (all.length < max) return
    const unused = all.filter(({ value }) => value.usedAt === undefined).sort((a, b) => createdAt(a) - createdAt(b))
    const surplus = unused.slice(0, all.length - max + 1)
    if (surplus.length === 0) {
      throw new OAuthError('temporarily_unavailable', 'Too many clients are registered', {
        retryAfterSeconds: 3600
      })
    }
    for (const { id } of surplus) await documents.remove('client', id)
  }

  async function find (clientId: string): Promise<Client | undefined> {
    const id = documentId(clientId)
    const found = id === undefined ? undefined : await documents.get('client', id)
    return found === undefined ? undefined : clientOf(clientId, found.value)
  }

  return {
    find,

    async register (metadata) {
      const read = readMetadata(metadata)
      // A digest, so that registering the same metadata again returns the same client.
      const id = sha256(JSON.stringify(read)).slice(0, 32)
      const existing = await documents.get('client', id)
      if (existing !== undefined) {
        return { client: clientOf(prefix + id, existing.value), issuedAt: createdAt(existing), isNew: false }
      }
      await makeRoom()
      const now = Date.now()
      // If another request was faster, it stored the same document.
      await documents.put('client', id, { ...read, createdAt: now }, { version: 0, endsAt: now + unusedMs })
      return { client: clientOf(prefix + id, { ...read }), issuedAt: now, isNew: true }
    },

    async used (clientId) {
      const id = documentId(clientId)
      const found = id === undefined ? undefined : await documents.get('client', id)
      if (id === undefined || found === undefined) return
      const now = Date.now()
      const lastUse = typeof found.value.usedAt === 'number' ? found.value.usedAt : 0
      if (now - lastUse < dayMs) return
      await documents.put(
        'client',
        id,
        { ...found.value, usedAt: now },
        { version: found.version, endsAt: now + usedMs }
      )
    }
  }
}

function readMetadata (metadata: unknown): ReturnType<typeof readClientMetadata> {
  try {
    return readClientMetadata(metadata, { fallbackName: 'A client without a name' })
  } catch (error) {
    if (!(error instanceof ClientMetadataError)) throw error
    throw new OAuthError(error.isRedirect ? 'invalid_redirect_uri' : 'invalid_client_metadata', error.message)
  }
}

function documentId (clientId: string): string | undefined {
  return /^dyn-[0-9a-f]{32}$/.test(clientId) ? clientId.slice(prefix.length) : undefined
}

function createdAt ({ value }: Pick<ListedDocument, 'value'>): number {
  return typeof value.createdAt === 'number' ? value.createdAt : 0
}

function clientOf (id: string, value: object): Client {
  return { ...value as Omit<Client, 'id' | 'source'>, id, source: 'dynamic' }
}

/** The response to a registration (RFC 7591 §3.2.1). */
export function registrationAnswer (
  { id, name, redirectUris, authMethods, jwks, jwksUri }: Client,
  issuedAt: number
): Readonly<Record<string, unknown>> {
  return {
    client_id: id,
    client_id_issued_at: Math.floor(issuedAt / 1000),
    client_name: name,
    redirect_uris: redirectUris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: authMethods[0],
    ...(jwks === undefined ? {} : { jwks }),
    ...(jwksUri === undefined ? {} : { jwks_uri: jwksUri })
  }
}
