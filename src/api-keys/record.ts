/** A managed key as stored in the key file: owner, rights, and digests instead of secrets. */
import { withoutBom } from '../lib/without-bom.js'
import { z } from '../lib/zod.js'
import { keyIdPattern } from './format.js'
import { parseNetwork } from '../net/networks.js'
import { isRole, type Role, roleForm } from '../principal/principal.js'
import { scopeForm } from '../principal/scope.js'

/** One secret of a key. After a rotation there are several until the grace period of the older ones ends. */
export interface SecretRecord {
  /** SHA-256 of the whole key, in hex. */
  readonly digest: string
  readonly createdAt: string
  /** When its grace period ends. Absent: the secret lasts as long as the key. */
  readonly endsAt?: string | undefined
}

/** Times are ISO 8601 in UTC, because people read this file. */
export interface KeyRecord {
  readonly id: string
  /** The id of the key's principal: `user:<owner>`, or `apikey:<id>` without an owner. */
  readonly owner: string
  readonly name: string
  readonly role: Role
  readonly scopes: readonly string[]
  readonly createdAt: string
  readonly expiresAt?: string | undefined
  /** Addresses and CIDRs from which it may be used. Empty: from everywhere. */
  readonly cidrs: readonly string[]
  /** The key's own limit of requests per window. Absent: it shares the limit of its owner. */
  readonly rateLimitMax?: number | undefined
  /** Data about the caller for the app, passed in `principal.attributes`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /**
   * Whether the key may sign in OAuth clients. Absent: yes, unless the key is limited to networks, because a
   * hosted client calls from another network.
   */
  readonly oauth?: boolean | undefined
  /** The key is refused until it is enabled again. */
  readonly disabled: boolean
  /** When the key was permanently revoked. */
  readonly revokedAt?: string | undefined
  /** Newest first. */
  readonly secrets: readonly SecretRecord[]
}

/** True if the key may sign in OAuth clients. */
export function maySignIn ({ oauth, cidrs }: Pick<KeyRecord, 'oauth' | 'cidrs'>): boolean {
  return oauth ?? cidrs.length === 0
}

export const longestName = 256

/** Text that is safe for a terminal and a log: no control characters, not only white space. */
export function isPlainText (text: string): boolean {
  return (
    text.length <= longestName &&
    text.trim() !== '' &&
    !/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(text)
  )
}

export function isScope (text: string): boolean {
  return text.length <= longestName && scopeForm.test(text)
}

export function isOwner (owner: string, id: string): boolean {
  return owner === `apikey:${id}` || (owner.startsWith('user:') && isPlainText(owner.slice(5)))
}

export const mostMetadata = 32

/** True for an allowed name of a metadata field. */
export function isMetadataName (name: string): boolean {
  return /^[A-Za-z][\w.-]{0,63}$/.test(name)
}

const time = z.string().refine(isTime, 'is not a time such as 2026-01-31T12:00:00Z')

function isTime (text: string): boolean {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(text)) return false
  // `Date` reads 31 February as 3 March, and text that is not a time as NaN.
  return new Date(text).getUTCDate() === Number(text.slice(8, 10))
}

const secretRecord = z.strictObject({
  digest: z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex'),
  createdAt: time,
  endsAt: time.optional()
})

const keyRecord = z
  .strictObject({
    id: z.string().regex(keyIdPattern, 'is not twelve lower-case letters and digits'),
    owner: z.string(),
    name: z.string().refine(isPlainText, 'is not plain text of 1 to 256 characters'),
    role: z.string().refine(isRole, roleForm),
    scopes: z.array(z.string().refine(isScope, 'is not a scope')),
    createdAt: time,
    expiresAt: time.optional(),
    cidrs: z.array(
      z.string().refine(text => parseNetwork(text) !== undefined, 'is not an address or a CIDR')
    ),
    rateLimitMax: z
      .number()
      .int('is not a whole number')
      .min(1, 'is below 1')
      .max(1_000_000_000, 'is too large')
      .optional(),
    metadata: z
      .record(
        z.string().refine(isMetadataName, 'is not a metadata name'),
        z.string().refine(isPlainText, 'is not plain text of 1 to 256 characters')
      )
      .refine(fields => Object.keys(fields).length <= mostMetadata, 'has too many entries')
      .optional(),
    oauth: z.boolean().optional(),
    disabled: z.boolean(),
    revokedAt: time.optional(),
    secrets: z.array(secretRecord).min(1, 'is empty')
  })
  .refine(({ owner, id }) => isOwner(owner, id), {
    message: 'is neither user:<name> nor apikey:<the id of this key>',
    path: ['owner']
  })

const keyFile = z.strictObject({
  version: z.literal(1, 'is not 1, the supported version'),
  keys: z.array(keyRecord)
})

/** Records by their line of text. Empty if the file is formatted in another way. */
export type RecordLines = ReadonlyMap<string, KeyRecord>

export interface KeyFileContents {
  readonly records: readonly KeyRecord[]
  readonly lines: RecordLines
}

/**
 * Parses the text of a key file. On failure returns what is `wrong`, as the end of a sentence that begins
 * with the file's name, and as `right` the advice, unless that is to correct the file. Neither repeats any of
 * the text. `known` lines are not validated again: ten thousand keys would block a server for half a second.
 */
export function parseKeyFile (
  given: string,
  known: RecordLines = new Map()
): KeyFileContents | { readonly wrong: string; readonly right?: string } {
  const text = withoutBom(given)
  const lines = readLines(text, known)
  if (lines !== undefined) return firstDouble([...lines.values()]) ?? { records: [...lines.values()], lines }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return text.trim() === ''
      ? { wrong: 'is empty', right: 'restore a valid copy, or start with {"version":1,"keys":[]}' }
      : { wrong: 'is not JSON' }
  }
  if (isLater(json)) { return { wrong: 'is from a later version of this program', right: 'update this program' } }
  const { success, data, error } = keyFile.safeParse(json)
  if (!success) return { wrong: describeIssue(error.issues[0]) }
  return firstDouble(data.keys) ?? { records: data.keys, lines: new Map() }
}

function isLater (json: unknown): boolean {
  return (
    typeof json === 'object' &&
    json !== null &&
    'version' in json &&
    typeof json.version === 'number' &&
    json.version > 1
  )
}

const opening = '{\n  "version": 1,\n  "keys": ['
const closing = '\n  ]\n}\n'
const indent = '\n    '

/** The text of a key file that holds `records`. */
export function formatKeyFile (records: readonly KeyRecord[]): string {
  // One key per line, so that versions of the file can be compared.
  return opening + records.map(record => indent + JSON.stringify(record)).join(',') + closing
}

/**
 * The records of a text in the layout of `formatKeyFile`. `undefined` for another layout, or if a line is not
 * a valid record.
 */
function readLines (text: string, known: RecordLines): Map<string, KeyRecord> | undefined {
  const start = opening + indent
  if (!text.startsWith(start) || !text.endsWith(closing)) return undefined
  const lines = text.slice(start.length, -closing.length).split(`,${indent}`)
  const records = new Map<string, KeyRecord>()
  for (const line of lines) {
    const record = known.get(line) ?? readLine(line)
    // A repeated line is a repeated key. The check of the whole file reports it.
    if (record === undefined || records.has(line)) return undefined
    records.set(line, record)
  }
  return records
}

function readLine (line: string): KeyRecord | undefined {
  try {
    return keyRecord.safeParse(JSON.parse(line)).data
  } catch {
    return undefined
  }
}

function describeIssue (issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'is not a key file'
  if (issue.path.length === 0 && issue.code === 'invalid_type') return 'is not a key file: it is not a JSON object'
  const place = issue.path
    .map(step => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '')
  // Uses the texts above: the library's own messages would quote the file.
  const what = wordsOf(issue)
  return place === '' ? `is not a key file: it ${what}` : `cannot be used: ${place} ${what}`
}

function wordsOf ({ code, message }: z.core.$ZodIssue): string {
  if (code === 'custom' || /^(?:is|has|must) /.test(message)) return message
  return code === 'unrecognized_keys'
    ? 'has an unknown field'
    : 'has the wrong type or is missing'
}

/** The validity of a repeated key would depend on the order of the file. */
function firstDouble (keys: readonly KeyRecord[]): { wrong: string } | undefined {
  const ids = new Set<string>()
  const digests = new Set<string>()
  for (const [index, { id, secrets }] of keys.entries()) {
    if (ids.has(id)) return { wrong: `cannot be used: keys[${index}].id is repeated` }
    ids.add(id)
    for (const { digest } of secrets) {
      if (digests.has(digest)) return { wrong: `cannot be used: a secret of keys[${index}] is repeated` }
      digests.add(digest)
    }
  }
  return undefined
}
