/** Creates, replaces, ends and imports key records. Pure, except for fresh secrets. */
import { OperatorError } from '../lib/operator-error.js'
import { sha256 } from '../lib/sha256.js'
import { listedKeyId } from './listed-keys.js'
import type { Changed } from './file.js'
import { isMetadataName, isOwner, isPlainText, isScope, type KeyRecord, mostMetadata } from './record.js'
import { keyIdOf, mintKey, shapeOf } from './format.js'
import { holdsWholeCredential } from '../principal/credential-forms.js'
import { parseNetwork } from '../net/networks.js'
import { isPlaceholder } from '../principal/strength.js'
import { isRole, type Role, roleForm } from '../principal/principal.js'

/** An invalid change. The message is for the person who requested it, and contains no part of a key. */
export class KeyChangeError extends OperatorError {
  override readonly name = 'KeyChangeError'
}

export interface KeyOptions {
  /** A name for people. */
  readonly name: string
  /** The owner. All keys of one owner are one principal. Left out: the key is a principal of its own. */
  readonly owner?: string | undefined
  /** Default `user`. */
  readonly role?: Role | undefined
  readonly scopes?: readonly string[] | undefined
  /** Seconds. Left out: the key never expires. */
  readonly lifetimeSeconds?: number | undefined
  readonly cidrs?: readonly string[] | undefined
  readonly rateLimitMax?: number | undefined
  /** Data about the caller for the app. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** Whether the key may sign in OAuth clients. Left out: yes, unless the key is limited to networks. */
  readonly oauth?: boolean | undefined
}

export interface Shown {
  readonly record: KeyRecord
  /** The key in clear. It is shown only once. */
  readonly key: string
}

type Records = readonly KeyRecord[]

export function createKey (records: Records, options: KeyOptions, now = Date.now()): Changed<Shown> {
  const { id, key, digest } = mintKey()
  const record = recordOf(id, digest, options, now)
  return { records: [...records, record], result: { record, key } }
}

/**
 * Gives the key a new secret. Earlier secrets stay valid for `graceSeconds`, but not longer than their own
 * expiry or that of the key.
 */
export function rotateKey (records: Records, id: string, graceSeconds: number, now = Date.now()): Changed<Shown> {
  const before = find(records, id)
  if (before.revokedAt !== undefined) {
    throw new KeyChangeError('That key was revoked permanently: create another one')
  }
  const keyEnd = timeOf(before.expiresAt)
  if (keyEnd <= now) {
    throw new KeyChangeError(
      'That key has expired, so a new secret would be refused too: create another key'
    )
  }
  const { key, digest } = mintKey(id)
  const graceEnd = Math.min(now + graceSeconds * 1000, keyEnd)
  const older = before.secrets
    .filter(({ endsAt }) => timeOf(endsAt) > now)
    .map(secret => ({ ...secret, endsAt: text(Math.min(timeOf(secret.endsAt), graceEnd)) }))
  // The replaced secret stays on record after its grace, so that the log can tell it from an unknown key.
  const record = { ...before, secrets: [{ digest, createdAt: text(now) }, ...older] }
  return { records: replace(records, record), result: { record, key } }
}

/** Revokes a key permanently. A key that is already revoked keeps its time of revocation. */
export function revokeKey (records: Records, id: string, now = Date.now()): Changed<KeyRecord> {
  const before = find(records, id)
  const record = { ...before, revokedAt: before.revokedAt ?? text(now) }
  return { records: replace(records, record), result: record }
}

/** Disables a key, or enables it again. */
export function setDisabled (records: Records, id: string, disabled: boolean): Changed<KeyRecord> {
  const before = find(records, id)
  if (before.revokedAt !== undefined) throw new KeyChangeError('That key was revoked permanently')
  const record = { ...before, disabled }
  return { records: replace(records, record), result: record }
}

/** Names and owners are stored and shown in clear. */
const credentialForName =
  'A name or an owner contains a credential, and anyone who reads the file could use it: choose another name'

/** A shorter key could be guessed from its digest. */
const shortestImport = 16

/**
 * Imports existing keys, given in clear. Each id is derived from the key's digest, as for keys in `API_KEYS`,
 * so that the caller stays the same principal. Throws if one of the keys cannot be imported.
 */
export function importKeys (
  records: Records,
  keys: readonly string[],
  options: KeyOptions,
  now = Date.now()
): Changed<readonly KeyRecord[]> {
  if (keys.length === 0) throw new KeyChangeError('There are no keys to import')
  const known = new Set(records.flatMap(({ secrets }) => secrets.map(({ digest }) => digest)))
  const imported: KeyRecord[] = []
  for (const [index, key] of keys.entries()) {
    const place = keys.length === 1 ? 'The key' : `Key ${index + 1} of ${keys.length}`
    const digest = sha256(key)
    if (!/^[\x21-\x7e]+$/.test(key)) {
      throw new KeyChangeError(`${place} contains a character that is not allowed in a header`)
    }
    if (key.length < shortestImport) {
      throw new KeyChangeError(
        `${place} is shorter than ${shortestImport} characters: its digest would reveal it`
      )
    }
    // A key of unknown form cannot be recognized in the name, so it is compared directly.
    if (
      [options.name, options.owner, ...Object.values(options.metadata ?? {})].some(text =>
        text?.includes(key)
      )
    ) { throw new KeyChangeError(credentialForName) }
    if (isPlaceholder(key)) {
      throw new KeyChangeError(`${place} is a well-known placeholder: create another key`)
    }
    if (shapeOf(key) === 'damaged') throw new KeyChangeError(`${place} is mistyped: its checksum is wrong`)
    const id = listedKeyId(digest)
    // Compares the id inside the key as well: a secret that was replaced long ago is no longer in the file.
    const inside = keyIdOf(key)
    if (known.has(digest) || records.some(record => record.id === id || record.id === inside)) {
      throw new KeyChangeError(`${place} is already in the file, or twice in the input`)
    }
    known.add(digest)
    imported.push(
      recordOf(
        id,
        digest,
        keys.length === 1 ? options : { ...options, name: `${options.name} ${index + 1}` },
        now
      )
    )
  }
  return { records: [...records, ...imported], result: imported }
}

/** Adds existing records unchanged. Throws if an id or a secret already exists. */
export function addRecords (records: Records, added: Records): Changed<Records> {
  const digests = new Set(records.flatMap(({ secrets }) => secrets.map(({ digest }) => digest)))
  const double = added.find(
    ({ id, secrets }) =>
      records.some(record => record.id === id) || secrets.some(({ digest }) => digests.has(digest))
  )
  if (double !== undefined) throw new KeyChangeError(`The key ${double.id} already exists, and nothing was imported`)
  return { records: [...records, ...added], result: added }
}

export function find (records: Records, id: string): KeyRecord {
  const record = records.find(record => record.id === id)
  // The message leaves the id out, because it may be a whole key, typed in the wrong place.
  if (record === undefined) throw new KeyChangeError('No key has that id; fastify-mcp-auth keys list shows them')
  return record
}

export type KeyStatus = 'active' | 'disabled' | 'expired' | 'revoked'

export function statusOf ({ revokedAt, disabled, expiresAt }: KeyRecord, now = Date.now()): KeyStatus {
  if (revokedAt !== undefined) return 'revoked'
  if (disabled) return 'disabled'
  return timeOf(expiresAt) <= now ? 'expired' : 'active'
}

function recordOf (id: string, digest: string, options: KeyOptions, now: number): KeyRecord {
  const { name, role = 'user', scopes = [], lifetimeSeconds, cidrs = [], rateLimitMax, metadata = {}, oauth } = options
  const owner = ownerId(options.owner, id)
  if ([name, owner].some(text => holdsWholeCredential(text))) throw new KeyChangeError(credentialForName)
  if (!isRole(role)) throw new KeyChangeError(`A role ${roleForm}`)
  requireMetadata(metadata)
  if (!isPlainText(name)) {
    throw new KeyChangeError(
      'A name must be text of 1 to 256 characters, not only white space, without control characters'
    )
  }
  if (!isOwner(owner, id)) {
    throw new KeyChangeError(
      'An owner must be text of 1 to 256 characters, not only white space, without control characters'
    )
  }
  if (!scopes.every(isScope)) {
    throw new KeyChangeError(
      'A scope must be printable ASCII without spaces, quotes and backslashes, such as files:read'
    )
  }
  if (cidrs.some(cidr => parseNetwork(cidr) === undefined)) {
    throw new KeyChangeError(
      'A network must be an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or 2001:db8::/32'
    )
  }
  if (
    rateLimitMax !== undefined &&
    !(Number.isSafeInteger(rateLimitMax) && rateLimitMax >= 1 && rateLimitMax <= 1_000_000_000)
  ) { throw new KeyChangeError('A rate limit must be a whole number from 1') }
  return {
    id,
    owner,
    name,
    role,
    scopes: [...new Set(scopes)],
    createdAt: text(now),
    ...(lifetimeSeconds === undefined ? {} : { expiresAt: text(now + lifetimeSeconds * 1000) }),
    cidrs: [...new Set(cidrs)],
    ...(rateLimitMax === undefined ? {} : { rateLimitMax }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata: { ...metadata } }),
    ...(oauth === undefined ? {} : { oauth }),
    disabled: false,
    secrets: [{ digest, createdAt: text(now) }]
  }
}

/** Metadata is stored and shown in clear, like names. */
function requireMetadata (metadata: Readonly<Record<string, string>>): void {
  const fields = Object.entries(metadata)
  if (fields.length > mostMetadata) throw new KeyChangeError(`A key has at most ${mostMetadata} fields of metadata`)
  if (!fields.every(([name]) => isMetadataName(name))) {
    throw new KeyChangeError(
      'A metadata name must be a letter, then up to 63 letters, digits or . _ -'
    )
  }
  if (!fields.every(([, value]) => isPlainText(value))) {
    throw new KeyChangeError(
      'A metadata value must be text of 1 to 256 characters, not only white space, without control characters'
    )
  }
  if (fields.some(([, value]) => holdsWholeCredential(value))) {
    throw new KeyChangeError(
      'The metadata contains a credential, and anyone who reads the file could use it: store something else'
    )
  }
}

/** Owners have their own prefix, so that an owner cannot be mistaken for a token's subject or a key. */
function ownerId (owner: string | undefined, id: string): string {
  if (owner === undefined) return `apikey:${id}`
  return owner.startsWith('user:') ? owner : `user:${owner}`
}

function replace (records: Records, record: KeyRecord): Records {
  return records.map(other => other.id === record.id ? record : other)
}

/** The time of an expiry; Infinity if there is none. */
function timeOf (end: string | undefined): number {
  return end === undefined ? Infinity : Date.parse(end)
}

function text (time: number): string {
  return new Date(time).toISOString()
}
