/** The log fields of a JSON-RPC message: its method and the item that it names. Never its arguments. */
import { isRecord } from '../../lib/guards.js'

export interface MessageFields {
  /** The method; `undefined` if the body is not a message with a method. */
  readonly rpc?: string | undefined
  readonly tool?: string | undefined
  readonly prompt?: string | undefined
  /** Without its query, which may contain keys. */
  readonly uri?: string | undefined
  /** The number of messages in a batch. */
  readonly batch?: number
}

/** As the caller wrote it, even if there is no such method or item. */
export function fieldsOf (body: unknown): MessageFields {
  if (Array.isArray(body)) return { batch: body.length }
  if (!isRecord(body)) return {}
  const { method, params } = body
  if (!isRecord(params)) return { rpc: printable(method) }
  switch (method) {
    case 'tools/call': return { rpc: method, tool: printable(params.name) }
    case 'prompts/get': return { rpc: method, prompt: printable(params.name) }
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe': return { rpc: method, uri: printable(params.uri)?.replace(/[?#].*$/s, '') }
    default: return { rpc: printable(method) }
  }
}

/**
 * The name and version that the client of a message gives itself: in `initialize`, and with each request of
 * 2026-07-28.
 */
export function clientInfoOf (body: unknown): { readonly name: string, readonly version: unknown } | undefined {
  if (!isRecord(body) || !isRecord(body.params)) return undefined
  const { method, params: { clientInfo, _meta: meta } } = body
  const ofMeta = isRecord(meta) ? meta['io.modelcontextprotocol/clientInfo'] : undefined
  const info = method === 'initialize' ? clientInfo : ofMeta
  return isRecord(info) && typeof info.name === 'string' ? { name: info.name, version: info.version } : undefined
}

/** The client of a message, as in `inspector/1.2.0`. */
export function clientOf (body: unknown): string | undefined {
  const { name, version } = clientInfoOf(body) ?? {}
  return printable(typeof version === 'string' ? `${name?.slice(0, 80)}/${version}` : name)
}

const maxLength = 128

/**
 * Shortened, and without characters that move a terminal's cursor or reorder text, because a caller chooses it.
 * `undefined` for a value that is not a string.
 */
export function printable (value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.length > maxLength ? value.slice(0, maxLength) : value
  // A loop, because this runs on every call and nearly every name is plain ASCII.
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code > 0x7e) return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd')
  }
  return text
}
