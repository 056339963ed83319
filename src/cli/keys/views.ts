/** The output of a managed key, as text and JSON: everything except its digests. */
import { statusOf, type KeyStatus } from '../../api-keys/changes.js'
import { type KeyRecord, maySignIn } from '../../api-keys/record.js'
import type { LastUsed } from '../../api-keys/last-use.js'
import type { Role } from '../../principal/principal.js'
import type { Revocable } from '../../ledger/index-in-memory.js'
import { minute, table } from '../terminal/table.js'

/** Times are ISO 8601. `null`: never, or no such time. */
export interface KeyView {
  readonly id: string
  readonly name: string
  /** The id of the principal. */
  readonly owner: string
  readonly role: Role
  readonly scopes: readonly string[]
  readonly status: KeyStatus
  readonly createdAt: string
  readonly expiresAt: string | null
  /** Accurate to ten minutes. Omitted if the last uses cannot be read. */
  readonly lastUsedAt?: string | null
  /** From the file. `null` if the key was revoked with `tokens`. */
  readonly revokedAt: string | null
  readonly cidrs: readonly string[]
  readonly rateLimitMax: number | null
  /** Omitted if there is none. */
  readonly metadata?: Readonly<Record<string, string>>
  /** True if the key can sign in OAuth clients. */
  readonly oauth: boolean
  readonly disabled: boolean
  readonly secrets: ReadonlyArray<{ readonly createdAt: string, readonly endsAt: string | null }>
}

/** Information about keys that is not in the key file. */
export interface KeyFacts {
  /** `undefined` if the last uses cannot be read. */
  readonly lastUsed: LastUsed | undefined
  readonly isRevoked: (credential: Revocable) => boolean
}

const nothingKnown: KeyFacts = { lastUsed: new Map(), isRevoked: () => false }

export function viewOf (record: KeyRecord, { lastUsed, isRevoked }: KeyFacts = nothingKnown): KeyView {
  const {
    id,
    name,
    owner,
    role,
    scopes,
    createdAt,
    expiresAt,
    revokedAt,
    cidrs,
    rateLimitMax,
    metadata,
    disabled,
    secrets
  } = record
  const usedAt = lastUsed?.get(id)
  return {
    id,
    name,
    owner,
    role,
    scopes,
    status: isRevoked(credentialOf(record)) ? 'revoked' : statusOf(record),
    createdAt,
    expiresAt: expiresAt ?? null,
    ...(lastUsed === undefined ? {} : { lastUsedAt: usedAt === undefined ? null : new Date(usedAt).toISOString() }),
    revokedAt: revokedAt ?? null,
    cidrs,
    rateLimitMax: rateLimitMax ?? null,
    ...(metadata === undefined ? {} : { metadata }),
    oauth: maySignIn(record),
    disabled,
    secrets: secrets.map(secret => ({ createdAt: secret.createdAt, endsAt: secret.endsAt ?? null }))
  }
}

/** The key in the form that revocations are checked for. The issue time is that of its newest secret. */
export function credentialOf ({ id: keyId, owner: id, secrets, createdAt }: KeyRecord): Revocable {
  return { id, keyId, issuedAt: Date.parse(secrets[0]?.createdAt ?? createdAt) }
}

/** A table with one line per key. */
export function keyTable (views: readonly KeyView[]): string {
  if (views.length === 0) return 'There are no keys.'
  const heading = ['ID', 'NAME', 'OWNER', 'ROLE', 'SCOPES', 'STATUS', 'EXPIRES', 'LAST USED']
  return table([
    heading,
    ...views.map(view => [
      view.id,
      view.name,
      view.owner,
      view.role,
      view.scopes.join(' ') || '-',
      view.status,
      minute(view.expiresAt),
      minute(view.lastUsedAt)
    ])
  ])
}

/** One key, with one line per field. */
export function keySheet (view: KeyView): string {
  return table([
    ['id', view.id],
    ['name', view.name],
    ['owner', view.owner],
    ['role', view.role],
    ['scopes', view.scopes.join(' ') || '-'],
    ['status', view.status],
    ['created', minute(view.createdAt)],
    ['expires', minute(view.expiresAt)],
    ['last used', minute(view.lastUsedAt)],
    ['networks', view.cidrs.join(' ') || 'all'],
    ['sign-in', view.oauth ? 'can sign in OAuth clients' : 'cannot sign in OAuth clients'],
    ['rate limit', view.rateLimitMax === null ? "the owner's" : `${view.rateLimitMax} per window`],
    ...Object.entries(view.metadata ?? {}).map(([name, value], index) => [
      index === 0 ? 'metadata' : '',
      `${name}=${value}`
    ]),
    ...view.secrets.map(({ createdAt, endsAt }, index) => [
      index === 0 ? 'secret' : '',
      `of ${minute(createdAt)}${endsAt === null ? '' : `, valid until ${minute(endsAt)}`}`
    ])
  ])
}
