/** Grants: what a person allowed a client to do, with which key, and the refresh tokens that keep it alive. */
import { randomBytes } from 'node:crypto'
import type { Author } from '../../ledger/records.js'
import type { Role } from '../../principal/principal.js'
import type { AccessClaims } from './access-tokens.js'
import { type Documents, type ListedDocument, type StoredDocument } from './documents/documents.js'
import type { GrantKey } from './grant-keys.js'
import { endGrant, type GrantFilter, isEnded, listGrants } from './grant-list.js'
import { OAuthError } from './protocol/oauth-error.js'
import type { ServerSecrets } from './secrets.js'

/** Times are in milliseconds since the epoch. */
export interface Grant {
  readonly id: string
  readonly client: { readonly id: string, readonly name: string, readonly source: string }
  /** The principal's id. */
  readonly subject: string
  readonly key: GrantKey
  readonly role: Role
  readonly scopes: readonly string[]
  readonly resource: string
  readonly createdAt: number
  /** When a token of it was last fetched. */
  readonly usedAt: number
  /** When the key ends, as it was when the person signed in. */
  readonly keyEndsAt: number | null
  /** Of the newest refresh token. */
  readonly generation: number
  /** Mixed into the refresh tokens, so that the server's secret alone makes none. */
  readonly salt: string
  /** When the last few generations were replaced, the newest first. */
  readonly rotations: ReadonlyArray<{ readonly generation: number, readonly at: number }>
}

/** Where revocations are kept, for every request to ask. */
export interface GrantLedger {
  isRevoked: (credential: {
    readonly id: string
    readonly tokenId: string
    readonly keyId?: string
    readonly issuedAt?: number
  }) => boolean
  revokeToken: (id: string, by: Author, withMinted?: boolean, until?: number) => Promise<unknown>
}

export interface GrantsOptions {
  readonly documents: Documents
  readonly secrets: ServerSecrets
  readonly ledger: GrantLedger
  readonly resource: string
  /** How long an access token may outlive its grant's revocation, in milliseconds. */
  readonly accessTtlMs: number
  /** Told of a refresh token that was used again after its time. */
  readonly onReuse: OnReuse
}

/** What is known of a grant that is ended because somebody else may have what it gave. */
export type ReusedGrant = Pick<Grant, 'id' | 'client' | 'subject' | 'key'>

/** Told of a security event. `why` is a constant text. */
export type OnReuse = (grant: ReusedGrant, why: string) => void

export interface NewGrant extends Omit<Grant, 'id' | 'createdAt' | 'usedAt' | 'generation' | 'salt' | 'rotations'> {
  readonly id: string
}

export interface Refreshed {
  readonly grant: Grant
  readonly refreshToken: string
}

export interface Grants {
  newId: () => string
  /** Ends the caller's least used grant where there are too many. */
  create: (grant: NewGrant) => Promise<Refreshed>
  /** Judges a refresh token of this client and gives it its successor. Throws an `invalid_grant`. */
  refresh: (token: string, clientId: string, rotates: boolean) => Promise<Refreshed>
  /** The grant that a refresh token of this client is of; `undefined` where it is none. */
  find: (token: string, clientId: string) => Promise<Grant | undefined>
  list: (filter?: GrantFilter) => Promise<readonly Grant[]>
  /** Ends a grant at once: its tokens are refused, and its streams end. False where there is none. */
  revoke: (id: string, by: Author) => Promise<boolean>
}

const dayMs = 24 * 60 * 60_000
const idleMs = 30 * dayMs
/** How long a refresh token may come again and is given the same successor, whatever happened to that. */
export const repeatMs = 60_000
/** How long a refresh token is good whose successor nobody has used. */
export const graceMs = 10 * 60_000
const maxPerSubject = 100
const tokenForm = /^mcp_refresh_([0-9a-f]{24})_(\d{1,9})_([\w-]{43})$/

export function createGrants ({ documents, secrets, ledger, resource, accessTtlMs, onReuse }: GrantsOptions): Grants {
  function tokenOf ({ id, generation, salt }: Pick<Grant, 'id' | 'generation' | 'salt'>): string {
    return `mcp_refresh_${id}_${generation}_${secrets.mac('refresh', `${id} ${generation} ${salt}`)}`
  }

  /** The grant and the generation that a token names, where the token is authentic and of this client. */
  async function read (
    token: string,
    clientId: string
  ): Promise<
    { readonly grant: Grant; readonly generation: number; readonly stored: StoredDocument } | undefined
  > {
    const [, id = '', generation = '', mac = ''] = tokenForm.exec(token) ?? []
    const stored = id === '' ? undefined : await documents.get('grant', id)
    if (stored === undefined) return undefined
    const grant = grantOf(stored)
    if (!secrets.isMac('refresh', `${id} ${generation} ${grant.salt}`, mac)) return undefined
    // Foreign and unknown are the same.
    if (grant.client.id !== clientId || grant.resource !== resource || isEnded(grant, ledger)) { return undefined }
    return { grant, generation: Number(generation), stored }
  }

  async function revoke (id: string, by: Author): Promise<boolean> {
    return await endGrant(documents, ledger, id, by, accessTtlMs)
  }

  async function list (filter: GrantFilter = {}): Promise<readonly Grant[]> {
    return (await listGrants(documents, ledger, filter)).filter(grant => grant.resource === resource)
  }

  async function makeRoom (subject: string): Promise<void> {
    const held = [...await list({ subject })].sort((a, b) => a.usedAt - b.usedAt)
    for (const { id } of held.slice(0, Math.max(0, held.length - maxPerSubject + 1))) {
      await revoke(id, { principal: subject })
    }
  }

  async function reused (grant: Grant): Promise<never> {
    onReuse(grant, 'refresh token used again')
    await revoke(grant.id, { principal: grant.subject })
    throw invalid('an old refresh token was used again: the grant is revoked')
  }

  return {
    newId: () => randomBytes(12).toString('hex'),
    revoke,
    list,

    find: async (token, clientId) => (await read(token, clientId))?.grant,

    async create (given) {
      await makeRoom(given.subject)
      const now = Date.now()
      const grant: Grant = {
        ...given,
        createdAt: now,
        usedAt: now,
        generation: 1,
        salt: randomBytes(16).toString('base64url'),
        rotations: []
      }
      if (!(await documents.put('grant', grant.id, grant, { version: 0, endsAt: endOf(grant, now) }))) {
        throw new Error('The id of a new grant already exists')
      }
      return { grant, refreshToken: tokenOf(grant) }
    },

    async refresh (token, clientId, rotates) {
      for (let tries = 0; tries < 20; tries++) {
        const found = await read(token, clientId)
        if (found === undefined) throw invalid('the refresh token is unknown')
        const { grant, generation, stored } = found
        const now = Date.now()
        if (generation > grant.generation) throw invalid('the refresh token is unknown')
        if (generation < grant.generation) {
          if (!isRepeat(grant, generation, now)) return await reused(grant)
          // The same successor again: a client that sent two requests at once, or missed an answer, continues with it.
          return { grant, refreshToken: tokenOf({ ...grant, generation: generation + 1 }) }
        }
        const next: Grant = rotates
          ? {
              ...grant,
              usedAt: now,
              generation: generation + 1,
              rotations: [{ generation, at: now }, ...grant.rotations].slice(0, 8)
            }
          : { ...grant, usedAt: now }
        const isOurs = await documents.put('grant', grant.id, next, {
          version: stored.version,
          endsAt: endOf(next, now)
        })
        if (isOurs) return { grant: next, refreshToken: tokenOf(next) }
        // Another request was faster: what it did is judged anew.
      }
      throw new OAuthError('temporarily_unavailable', 'The grant keeps changing', {
        retryAfterSeconds: 1
      })
    }
  }
}

/**
 * Within the minute, or of the generation just before, whose successor nobody has used: using that makes
 * the next one.
 */
function isRepeat ({ generation: newest, rotations }: Grant, generation: number, now: number): boolean {
  const rotation = rotations.find(one => one.generation === generation)
  if (rotation === undefined) return false
  const ageMs = now - rotation.at
  return ageMs <= repeatMs || (generation === newest - 1 && ageMs <= graceMs)
}

/** Idle for 30 days, and never beyond the key. */
function endOf ({ keyEndsAt }: Grant, now: number): number {
  return Math.min(now + idleMs, keyEndsAt ?? Infinity)
}

function grantOf ({ value }: StoredDocument | ListedDocument): Grant {
  return value as unknown as Grant
}

export function claimsOfGrant ({
  id,
  client,
  subject,
  key,
  role,
  scopes,
  createdAt
}: NewGrant & { readonly createdAt: number }): AccessClaims {
  return {
    subject,
    grantId: id,
    client: { id: client.id, name: client.name },
    role,
    scopes,
    key,
    signedInAt: createdAt
  }
}

function invalid (reason: string): OAuthError {
  return new OAuthError('invalid_grant', 'The refresh token is not valid', { reason })
}
