/** The per-request envelope of revision 2026-07-28: `_meta`, and the headers that must agree with the body. */
import { EnvelopeError, HeaderMismatchError, MissingCapabilityError, ProtocolVersionError } from '../errors.js'
import type { Incoming } from './era.js'
import { type RpcNotification, type RpcRequest, isRecord } from './messages.js'

export const modernRevision = '2026-07-28'

const prefix = 'io.modelcontextprotocol/'
const versionKey = `${prefix}protocolVersion`
const capabilitiesKey = `${prefix}clientCapabilities`
const clientInfoKey = `${prefix}clientInfo`
const logLevelKey = `${prefix}logLevel`

export interface Envelope {
  readonly capabilities: Readonly<Record<string, unknown>>
  readonly logLevel: string | undefined
}

/** Where the value of `Mcp-Name` stands in the parameters, by method. */
const nameField: Readonly<Record<string, string>> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }

/**
 * True where the message belongs to revision 2026-07-28 or later: its `_meta` names a revision, or
 * its header names a modern one. Everything else is of the revisions before.
 */
export function claimsModern ({ headers, body }: Incoming): boolean {
  const header = headers['mcp-protocol-version']
  if (typeof header === 'string' && isModern(header.trim())) return true
  if (!Array.isArray(body)) return hasClaim(body)
  return body.some(hasClaim)
}

function hasClaim (message: unknown): boolean {
  return isRecord(message) && isRecord(message.params) && isRecord(message.params._meta) && versionKey in message.params._meta
}

/** Revisions are dates, and compare as text. */
function isModern (revision: string): boolean {
  return revision >= modernRevision && /^\d{4}-\d{2}-\d{2}$/.test(revision)
}

/** Checks a request's `_meta` and headers. Throws the refusal that the specification's error table names. */
export function openEnvelope (request: RpcRequest, headers: Incoming['headers']): Envelope {
  const { method, params = {} } = request
  const meta = params._meta
  if (!isRecord(meta) || !(versionKey in meta)) throw new EnvelopeError({ reason: 'no protocol version in _meta' })
  const { [versionKey]: revision, [capabilitiesKey]: capabilities, [clientInfoKey]: client, [logLevelKey]: logLevel } = meta
  if (typeof revision !== 'string') throw new EnvelopeError({ reason: 'the protocol version is no string' })
  if (!isRecord(capabilities)) throw new EnvelopeError({ reason: 'no client capabilities in _meta' })
  if (client !== undefined && !(isRecord(client) && typeof client.name === 'string' && typeof client.version === 'string')) throw new EnvelopeError({ reason: 'clientInfo without name and version' })
  if (logLevel !== undefined && typeof logLevel !== 'string') throw new EnvelopeError({ reason: 'the log level is no string' })
  mustEqual(headers, 'mcp-protocol-version', revision)
  if (revision !== modernRevision) throw new ProtocolVersionError({ data: { supported: [modernRevision], requested: revision } })
  mustEqual(headers, 'mcp-method', method)
  const field = nameField[method]
  const name = field === undefined ? undefined : params[field]
  if (typeof name === 'string') mustEqual(headers, 'mcp-name', name, true)
  return { capabilities, logLevel }
}

/** A notification needs no envelope of its own, yet must not contradict its headers. */
export function checkNotification ({ method, params }: RpcNotification, headers: Incoming['headers']): void {
  const meta = isRecord(params?._meta) ? params._meta : {}
  const revision = meta[versionKey]
  if (revision !== undefined) {
    if (typeof revision !== 'string') throw new EnvelopeError({ reason: 'the protocol version is no string' })
    if (headers['mcp-protocol-version'] !== undefined) mustEqual(headers, 'mcp-protocol-version', revision)
  }
  if (headers['mcp-method'] !== undefined) mustEqual(headers, 'mcp-method', method)
}

function mustEqual (headers: Incoming['headers'], header: string, value: string, encoded = false): void {
  const given = headers[header]
  const sent = typeof given !== 'string' ? undefined : encoded ? decoded(given.trim()) : given.trim()
  if (sent !== value) throw new HeaderMismatchError({ data: { header }, reason: given === undefined ? `${header} is missing` : `${header} differs from the body` })
}

/** Throws where the client did not declare `capability`. */
export function needCapability ({ capabilities }: Envelope, capability: 'elicitation' | 'sampling' | 'roots'): void {
  if (!isRecord(capabilities[capability])) throw new MissingCapabilityError({ data: { requiredCapabilities: { [capability]: {} } } })
}

export interface HeaderParameter {
  /** In lower case, as Node gives it. */
  readonly header: string
  readonly path: readonly string[]
}

/**
 * The parameters that a tool's input schema marks with `x-mcp-header`, found along `properties`.
 * Throws where a mark is unusable, so that a tool with one never goes live.
 */
export function headerParameters (schema: unknown, path: readonly string[] = []): HeaderParameter[] {
  if (!isRecord(schema)) return []
  const found: HeaderParameter[] = []
  const mark = schema['x-mcp-header']
  if (mark !== undefined) {
    const usable = typeof mark === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(mark) && path.length > 0 && ['string', 'integer', 'boolean'].includes(String(schema.type))
    if (!usable) throw new TypeError(`x-mcp-header at ${path.join('.') || 'the root'}: a header token on a string, an integer or a boolean`)
    found.push({ header: `mcp-param-${mark.toLowerCase()}`, path })
  }
  if (isRecord(schema.properties)) {
    for (const [name, child] of Object.entries(schema.properties)) found.push(...headerParameters(child, [...path, name]))
  }
  if (new Set(found.map(({ header }) => header)).size < found.length) throw new TypeError(`x-mcp-header at ${path.join('.') || 'the root'}: a name is used twice`)
  return found
}

/** Each marked argument must stand in its header, too. An argument that is absent needs no header. */
export function checkHeaderParameters (parameters: readonly HeaderParameter[], args: unknown, headers: Incoming['headers']): void {
  for (const { header, path } of parameters) {
    const value = path.reduce<unknown>((node, key) => isRecord(node) ? node[key] : undefined, args)
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') continue
    const given = headers[header]
    const sent = typeof given === 'string' ? decoded(given.trim()) : undefined
    const equal = typeof value === 'number' && sent !== undefined && /^-?\d+(\.\d+)?$/.test(sent) ? Number(sent) === value : sent === String(value)
    if (!equal) throw new HeaderMismatchError({ data: { header }, reason: `${header} differs from the body` })
  }
}

const wrapped = /^=\?base64\?(.*)\?=$/
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * Undoes `=?base64?…?=`, the form of values that a header can't hold; anything else is literal.
 * `undefined` where it is malformed within: Node would decode it leniently.
 */
function decoded (value: string): string | undefined {
  const text = wrapped.exec(value)?.[1]
  if (text === undefined) return value
  if (!base64.test(text)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64'))
  } catch {
    return undefined
  }
}
