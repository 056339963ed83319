/** Grants and their refresh tokens. A grant records what a client may do on behalf of a user. */
import { randomBytes } from 'node:crypto'
import type { Author } from '../../ledger/records.js'
import type { AccessClaims } from './access-tokens.js'
import { type Documents, type ListedDocument, type StoredDocument } from './documents/documents.js'
import type { Grant, GrantLedger, NewGrant } from './grant.js'
import { endGrant, type GrantFilter, isEnded, listGrants } from './grant-list.js'
import { OAuthError } from './protocol/oauth-error.js'
import type { ServerSecrets } from './secrets.js'

export interface GrantsOptions {
  readonly documents: Documents
  readonly secrets: ServerSecrets
  readonly ledger: GrantLedger
  readonly resource: string
  /** The lifetime of access tokens in milliseconds. A revocation is kept that long. */
  readonly accessTtlMs: number
  /** Called when a replaced refresh token is used again. */
  readonly onReuse: OnReuse
}

/** A grant that is revoked because its code or refresh token was used twice, so it may have leaked. */
export type ReusedGrant = Pick<Grant, 'id' | 'client' | 'subject' | 'key'>

/** Called for each reuse. `why` is a constant. */
export type OnReuse = (grant: ReusedGrant, why: string) => void

export interface Refreshed {
  readonly grant: Grant
  readonly refreshToken: string
}

export interface Grants {
  newId: () => string
  /** Creates a grant. If the user has too many, revokes the one that was not used for the longest time. */
  create: (grant: NewGrant) => Promise<Refreshed>
  /** Verifies a refresh token of this client and returns the next one. Rejects with `invalid_grant`. */
  refresh: (token: string, clientId: string, rotates: boolean) => Promise<Refreshed>
  /** Returns the grant of a refresh token. `undefined` if the token is not valid for this client. */
  find: (token: string, clientId: string) => Promise<Grant | undefined>
  list: (filter?: GrantFilter) => Promise<readonly Grant[]>
  /** Revokes a grant immediately: its tokens are refused, and its streams end. False if it does not exist. */
  revoke: (id: string, by: Author) => Promise<boolean>
}

const dayMs = 24 * 60 * 60_000
const idleMs = 30 * dayMs
/** For this time after a rotation, the replaced refresh token returns the same successor again. */
const repeatMs = 60_000
/** The same for the last replaced refresh token, if its successor has not been used. */
const graceMs = 10 * 60_000
const maxPerSubject = 100
const tokenForm = /^mcp_refresh_([0-9a-f]{24})_(\d{1,9})_([\w-]{43})$/

export function createGrants ({ documents, secrets, ledger, resource, accessTtlMs, onReuse }: GrantsOptions): Grants {
  function tokenOf ({ id, generation, salt }: Pick<Grant, 'id' | 'generation' | 'salt'>): string {
    return `mcp_refresh_${id}_${generation}_${secrets.mac('refresh', `${id} ${generation} ${salt}`)}`
  }

  /**
   * Returns the grant and the generation of a token. `undefined` if the token is not valid for this client.
   */
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
    // The same result as for an unknown token, so that a client learns nothing about the tokens of others.
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
          // A client that sent two requests at once, or lost the response, can continue with the same
          // successor.
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
        // Another request changed the grant in the meantime: read it again.
      }
      throw new OAuthError('temporarily_unavailable', 'Too many requests use this grant at the same time', {
        retryAfterSeconds: 1
      })
    }
  }
}

/**
 * True if a replaced refresh token may be used again: within `repeatMs`, or within `graceMs` if its successor
 * has not been used.
 */
function isRepeat ({ generation: newest, rotations }: Grant, generation: number, now: number): boolean {
  const rotation = rotations.find(replaced => replaced.generation === generation)
  if (rotation === undefined) return false
  const ageMs = now - rotation.at
  return ageMs <= repeatMs || (generation === newest - 1 && ageMs <= graceMs)
}

/** A grant ends after 30 days without use, or when its key expires. */
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
