/** The envelope of revision 2026-07-28: `_meta`, and the headers that must match the body. */
import { isSpecType } from '@modelcontextprotocol/server'
import { EnvelopeError, HeaderMismatchError, ProtocolVersionError, type Refusal } from '../../errors.js'
import { fromRpcCode } from '../../to-refusal.js'
import type { McpRequest } from '../era.js'
import { headerValue, withoutBlanks } from '../catalog/header-parameters.js'
import { type RpcNotification, type RpcRequest } from '../wire/messages.js'
import { isRecord } from '../../lib/guards.js'

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

/** The parameter that must match `Mcp-Name`, by method. */
const nameField: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri'
}

/**
 * True if the message belongs to revision 2026-07-28 or later: its `_meta` names a revision, or
 * its header names a modern one. All other messages belong to earlier revisions, and so does `initialize`, which
 * negotiates in its body.
 */
export function claimsModern ({ headers, body }: McpRequest): boolean {
  const header = headers['mcp-protocol-version']
  const isInitialize = isRecord(body) && body.method === 'initialize'
  if (!isInitialize && typeof header === 'string' && isModern(withoutBlanks(header))) return true
  if (!Array.isArray(body)) return hasClaim(body)
  return body.some(hasClaim)
}

function hasClaim (message: unknown): boolean {
  return (
    isRecord(message) &&
    isRecord(message.params) &&
    isRecord(message.params._meta) &&
    versionKey in message.params._meta
  )
}

/** Revisions are dates and compare as text. */
function isModern (revision: string): boolean {
  return revision >= modernRevision && isRevision(revision)
}

function isRevision (text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text)
}

/** Checks a request's `_meta` and headers. Throws the refusal from the specification's error table. */
export function openEnvelope (request: RpcRequest, headers: McpRequest['headers']): Envelope {
  const { method, params = {} } = request
  const meta = params._meta
  if (!isRecord(meta) || !(versionKey in meta)) throw withoutClaim(headers['mcp-protocol-version'])
  const {
    [versionKey]: revision,
    [capabilitiesKey]: capabilities,
    [clientInfoKey]: client,
    [logLevelKey]: logLevel
  } = meta
  if (typeof revision !== 'string') throw new EnvelopeError({ reason: 'the protocol version is not a string' })
  if (!isRecord(capabilities)) throw new EnvelopeError({ reason: 'no client capabilities in _meta' })
  if (
    client !== undefined &&
    !(isRecord(client) && typeof client.name === 'string' && typeof client.version === 'string')
  ) { throw new EnvelopeError({ reason: 'clientInfo without name and version' }) }
  if (logLevel !== undefined && typeof logLevel !== 'string') {
    throw new EnvelopeError({ reason: 'the log level is not a string' })
  }
  mustEqual(headers, 'mcp-protocol-version', revision)
  mustBeServed(revision)
  mustEqual(headers, 'mcp-method', method)
  const field = nameField[method]
  if (field !== undefined) {
    const { [field]: name } = params
    if (typeof name === 'string') mustEqual(headers, 'mcp-name', name, true)
    else if (typeof headers['mcp-name'] === 'string' && headerValue(headers['mcp-name']) === undefined) {
      throw new HeaderMismatchError({ data: { header: 'mcp-name' }, reason: 'mcp-name is malformed' })
    }
  }
  return { capabilities, logLevel }
}

/** The parts of `_meta` that the SDK checks, for a request that does not reach the SDK. */
export function checkMeta ({ params = {} }: RpcRequest): void {
  const {
    [capabilitiesKey]: capabilities,
    [clientInfoKey]: client,
    [logLevelKey]: logLevel
  } = isRecord(params._meta) ? params._meta : {}
  const isGood = isSpecType.ClientCapabilities(capabilities) &&
    (client === undefined || isSpecType.Implementation(client)) &&
    (logLevel === undefined || isSpecType.LoggingLevel(logLevel))
  if (!isGood) throw new EnvelopeError({ reason: 'a field of _meta has the wrong type' })
}

/** Before the catalog, the SDK checks only the `_meta` of a request. */
export function refusalForSdk (code: number, reason: string): Refusal {
  return code === EnvelopeError.rpcCode ? new EnvelopeError({ reason }) : fromRpcCode(code, reason)
}

/** A request of an older client if its revisions are not served, or a client that omits `_meta`. */
function withoutClaim (header: string | string[] | undefined): Refusal {
  if (typeof header === 'string' && isModern(withoutBlanks(header))) {
    return new EnvelopeError({ reason: 'no protocol version in _meta' })
  }
  const requested =
    typeof header === 'string' && isRevision(withoutBlanks(header))
      ? { requested: withoutBlanks(header) }
      : {}
  return new ProtocolVersionError({
    data: { supported: [modernRevision], ...requested },
    reason: 'neither _meta nor a header of this revision'
  })
}

/**
 * A notification needs no envelope, but must match its headers and use a revision
 * that is served.
 */
export function checkNotification ({ method, params }: RpcNotification, headers: McpRequest['headers']): void {
  const meta = isRecord(params?._meta) ? params._meta : {}
  const header = headers['mcp-protocol-version']
  const { [versionKey]: revision = typeof header === 'string' ? withoutBlanks(header) : modernRevision } = meta
  if (typeof revision !== 'string') throw new EnvelopeError({ reason: 'the protocol version is not a string' })
  if (header !== undefined) mustEqual(headers, 'mcp-protocol-version', revision)
  mustBeServed(revision)
  if (headers['mcp-method'] !== undefined) mustEqual(headers, 'mcp-method', method)
}

/** A revision is a date. Longer text is not echoed. */
const maxRevisionLength = 64

function mustBeServed (revision: string): void {
  if (revision !== modernRevision) {
    throw new ProtocolVersionError({
      data: {
        supported: [modernRevision],
        ...(revision.length > maxRevisionLength ? {} : { requested: revision })
      }
    })
  }
}

function mustEqual (headers: McpRequest['headers'], header: string, value: string, encoded = false): void {
  const given = headers[header]
  const read = encoded ? headerValue : withoutBlanks
  const sent = typeof given === 'string' ? read(given) : undefined
  if (sent !== value) {
    throw new HeaderMismatchError({
      data: { header },
      reason: given === undefined ? `${header} is missing` : `${header} differs from the body`
    })
  }
}
