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

/** A change that makes no sense; the message is for who asked for it, and holds nothing of a key. */
export class KeyChangeError extends OperatorError {
  override readonly name = 'KeyChangeError'
}

export interface KeyOptions {
  /** What people call it. */
  readonly name: string
  /** Whom it is for; several keys of one owner are one principal. Left out: nobody but itself. */
  readonly owner?: string | undefined
  /** Default `user`. */
  readonly role?: Role | undefined
  readonly scopes?: readonly string[] | undefined
  /** Seconds. Left out: it does not end. */
  readonly lifetimeSeconds?: number | undefined
  readonly cidrs?: readonly string[] | undefined
  readonly rateLimitMax?: number | undefined
  /** What the app wants to know of the caller. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** Whether clients may be signed in with it. Left out: yes, unless it is held to networks. */
  readonly oauth?: boolean | undefined
}

export interface Shown {
  readonly record: KeyRecord
  /** The key itself, for the one time that it is shown. */
  readonly key: string
}

type Records = readonly KeyRecord[]

export function createKey (records: Records, options: KeyOptions, now = Date.now()): Changed<Shown> {
  const { id, key, digest } = mintKey()
  const record = recordOf(id, digest, options, now)
  return { records: [...records, record], result: { record, key } }
}

/**
 * Gives the key another secret. Those that it had are good for `graceSeconds` more, or less where they or
 * the key end before.
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
  // The last one stays on record when its grace is over, so that the log can tell a replaced key from an unknown one.
  const record = { ...before, secrets: [{ digest, createdAt: text(now) }, ...older] }
  return { records: replace(records, record), result: { record, key } }
}

/** For good. A key that was revoked before keeps that time. */
export function revokeKey (records: Records, id: string, now = Date.now()): Changed<KeyRecord> {
  const before = find(records, id)
  const record = { ...before, revokedAt: before.revokedAt ?? text(now) }
  return { records: replace(records, record), result: record }
}

/** Until it is enabled again. */
export function setDisabled (records: Records, id: string, disabled: boolean): Changed<KeyRecord> {
  const before = find(records, id)
  if (before.revokedAt !== undefined) throw new KeyChangeError('That key was revoked permanently')
  const record = { ...before, disabled }
  return { records: replace(records, record), result: record }
}

/** Names and owners are kept and shown in clear. */
const credentialForName =
  'A name or an owner contains a credential, and anybody who reads the file could use it: choose another name'

/** A key shorter than this could be guessed from its digest. */
export const shortestImport = 16

/**
 * Takes over keys that are in use, in clear. An id is made of each one's digest, as for keys in
 * `API_KEYS`, so that its caller stays the same principal. Throws where one can't be taken.
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
    // One of another form looks like nothing.
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
    // By the id inside it, too: a secret that was replaced long ago has left the file.
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

/** Adds the records of another place as they are. Throws where an id or a secret is there already. */
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
  // Without the id: it may be a whole key, typed in the wrong place.
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

/** It is kept and shown in clear, as names are. */
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
      'The metadata contains a credential, and anybody who reads the file could use it: store something else'
    )
  }
}

/** In a name space of their own: an owner called like a token's subject, or like a key, is neither. */
function ownerId (owner: string | undefined, id: string): string {
  if (owner === undefined) return `apikey:${id}`
  return owner.startsWith('user:') ? owner : `user:${owner}`
}

function replace (records: Records, record: KeyRecord): Records {
  return records.map(other => other.id === record.id ? record : other)
}

/** Of an end that may be missing. */
function timeOf (end: string | undefined): number {
  return end === undefined ? Infinity : Date.parse(end)
}

function text (time: number): string {
  return new Date(time).toISOString()
}
