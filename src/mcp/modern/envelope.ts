/** The per-request envelope of revision 2026-07-28: `_meta`, and the headers that must agree with the body. */
import { isSpecType } from '@modelcontextprotocol/server'
import { EnvelopeError, HeaderMismatchError, MissingCapabilityError, ProtocolVersionError, type Refusal, fromRpcCode } from '../../errors.js'
import type { Incoming } from '../era.js'
import { headerValue } from '../header-parameters.js'
import { type RpcNotification, type RpcRequest, isRecord } from '../messages.js'

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

/** The parts of `_meta` that `openEnvelope` leaves to the SDK's server, of a request that never gets there. */
export function checkMeta ({ params = {} }: RpcRequest): void {
  const { [capabilitiesKey]: capabilities, [clientInfoKey]: client, [logLevelKey]: logLevel } = isRecord(params._meta) ? params._meta : {}
  const isGood = isSpecType.ClientCapabilities(capabilities) &&
    (client === undefined || isSpecType.Implementation(client)) &&
    (logLevel === undefined || isSpecType.LoggingLevel(logLevel))
  if (!isGood) throw new EnvelopeError({ reason: 'a part of _meta is not of its type' })
}

/** The SDK looks at nothing but the `_meta` of a request before the catalog does: of parameters it knows no others. */
export function refusalForSdk (code: number, reason: string): Refusal {
  return code === EnvelopeError.rpcCode ? new EnvelopeError({ reason }) : fromRpcCode(code, reason)
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
  const sent = typeof given !== 'string' ? undefined : encoded ? headerValue(given) : given.trim()
  if (sent !== value) throw new HeaderMismatchError({ data: { header }, reason: given === undefined ? `${header} is missing` : `${header} differs from the body` })
}

/** Throws where the client did not declare `capability`. */
export function needCapability ({ capabilities }: Envelope, capability: 'elicitation' | 'sampling' | 'roots'): void {
  if (!isRecord(capabilities[capability])) throw new MissingCapabilityError({ data: { requiredCapabilities: { [capability]: {} } } })
}
