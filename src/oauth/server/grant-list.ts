/** Lists and revokes grants, for the admin tools and the command line. */
import type { Author } from '../../ledger/records.js'
import type { Documents } from './documents/documents.js'
import type { Grant, GrantLedger } from './grant.js'

/** Selects the grants that match all given fields. */
export interface GrantFilter {
  readonly id?: string | undefined
  readonly keyId?: string | undefined
  readonly clientId?: string | undefined
  /** The principal's id. */
  readonly subject?: string | undefined
}

/** A grant as shown to admins, without credentials. Times are RFC 3339. */
export interface GrantView {
  readonly id: string
  readonly client: string
  readonly clientName: string
  readonly subject: string
  readonly keyId: string
  readonly role: string
  readonly scopes: readonly string[]
  readonly resource: string
  readonly signedInAt: string
  /** When the client last got a token. */
  readonly usedAt: string
}

type Store = Pick<Documents, 'list' | 'remove'>

/** Returns the matching grants, oldest first, without revoked ones. */
export async function listGrants (
  documents: Pick<Store, 'list'>,
  ledger: Pick<GrantLedger, 'isRevoked'>,
  filter: GrantFilter = {}
): Promise<readonly Grant[]> {
  const all = (await documents.list('grant')).map(({ value }) => value as unknown as Grant)
  return all
    .filter(grant => matches(grant, filter) && !isEnded(grant, ledger))
    .sort((a, b) => a.createdAt - b.createdAt)
}

export function isEnded ({ subject, id, key, createdAt }: Grant, ledger: Pick<GrantLedger, 'isRevoked'>): boolean {
  return ledger.isRevoked({ id: subject, tokenId: id, keyId: key.keyId, issuedAt: createdAt })
}

/** Revokes a grant immediately: its tokens are refused, and its streams end. False if it does not exist. */
export async function endGrant (
  documents: Pick<Store, 'remove'>,
  ledger: Pick<GrantLedger, 'revokeToken'>,
  id: string,
  by: Author,
  accessTtlMs: number
): Promise<boolean> {
  // First in the ledger: this takes effect even if the store fails. It is kept until the last access token
  // expires.
  await ledger.revokeToken(id, by, true, Date.now() + accessTtlMs)
  return await documents.remove('grant', id)
}

/** True if `id` has the form of a grant id. */
export function isGrantId (id: string): boolean {
  return /^[0-9a-f]{24}$/.test(id)
}

export function viewOfGrant ({
  id,
  client,
  subject,
  key,
  role,
  scopes,
  resource,
  createdAt,
  usedAt
}: Grant): GrantView {
  return {
    id,
    client: client.id,
    clientName: client.name,
    subject,
    keyId: key.keyId,
    role,
    scopes: [...scopes],
    resource,
    signedInAt: new Date(createdAt).toISOString(),
    usedAt: new Date(usedAt).toISOString()
  }
}

function matches (grant: Grant, { id, keyId, clientId, subject }: GrantFilter): boolean {
  return (id ?? grant.id) === grant.id && (keyId ?? grant.key.keyId) === grant.key.keyId &&
    (clientId ?? grant.client.id) === grant.client.id && (subject ?? grant.subject) === grant.subject
}
