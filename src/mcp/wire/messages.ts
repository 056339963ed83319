/** JSON-RPC 2.0 messages as they arrive: their types and kinds. */
import { logLevels } from '../../tools/call-context.js'
import { isRecord } from '../../lib/guards.js'

export type RequestId = string | number

export interface RpcRequest {
  jsonrpc: '2.0'
  id: RequestId
  method: string
  params?: Record<string, unknown>
}

export interface RpcNotification {
  jsonrpc: '2.0'
  method: string
  params?: Record<string, unknown>
}

export interface RpcResult {
  jsonrpc: '2.0'
  id: RequestId
  result: Record<string, unknown>
}

export interface RpcError {
  jsonrpc: '2.0'
  id?: RequestId
  error: { code: number, message: string, data?: unknown }
}

export type RpcMessage = RpcRequest | RpcNotification | RpcResult | RpcError

/** The only revision with batches (MCP 2025-03-26, Base Protocol). */
export const batchRevision = '2025-03-26'

export type MessageKind = 'request' | 'notification' | 'response' | 'invalid'

const members = new Set(['jsonrpc', 'id', 'method', 'params'])

/**
 * The kind of a parsed body. An `id` in MCP is a string of at most 256 characters or an integer, never null (MCP
 * 2025-11-25, Base Protocol). As strict as the SDKs, which never answer a request that they cannot parse.
 */
export function kindOf (body: unknown): MessageKind {
  if (!isRecord(body) || body.jsonrpc !== '2.0') return 'invalid'
  const { method, params } = body
  if (method === undefined) {
    return isRequestId(body.id) && (isRecord(body.result) || isRecord(body.error)) ? 'response' : 'invalid'
  }
  if (typeof method !== 'string' || !hasOnlyMembers(body)) return 'invalid'
  if (params !== undefined && !isRecord(params)) return 'invalid'
  if (!('id' in body)) return 'notification'
  return isRequestId(body.id) ? 'request' : 'invalid'
}

function hasOnlyMembers (body: Record<string, unknown>): boolean {
  for (const name in body) if (!members.has(name)) return false
  return true
}

/**
 * False if the `_meta` of a message, or of one in a batch, is too large, or has a protocol field
 * of the wrong type (MCP 2025-11-25, General Fields): the SDKs never answer such a request
 * either.
 */
export function hasReadableMeta (body: unknown): boolean {
  if (Array.isArray(body)) return body.every(hasReadableMeta)
  if (!isRecord(body) || !isRecord(body.params)) return true
  const { _meta: meta } = body.params
  if (meta === undefined) return true
  if (!isRecord(meta) || !isModest(meta)) return false
  const { progressToken, 'io.modelcontextprotocol/related-task': task } = meta
  return (
    (progressToken === undefined || isRequestId(progressToken)) &&
    (task === undefined || (isRecord(task) && typeof task.taskId === 'string'))
  )
}

/**
 * False if an object contains more than `maxValues` values, at any depth. Call it before a schema checks the object:
 * collecting the problems of each value would take seconds.
 */
export function isModest (value: Record<string, unknown>, maxValues = 1000): boolean {
  const open = [value]
  let count = 0
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    // Not Object.values, which would create an array for each object of each request.
    for (const key in node) {
      if (++count > maxValues) return false
      const child = node[key]
      if (typeof child === 'object' && child !== null) open.push(child as Record<string, unknown>)
    }
  }
  return true
}

/** Objects in parameters, and in their `_meta`, whose members may be left out. */
const optional = [
  '_meta', 'clientInfo', 'capabilities', 'context', 'io.modelcontextprotocol/clientInfo',
  'io.modelcontextprotocol/clientCapabilities'
]

/**
 * Removes null members from a message, its parameters and the objects in them that describe a client: many clients
 * write null for missing members. Arguments of tools and prompts stay unchanged. Changes `body`.
 */
export function dropNulls (body: unknown): void {
  if (Array.isArray(body)) body.forEach(dropNulls)
  if (!isRecord(body) || typeof body.method !== 'string') return
  if (body.params === null) delete body.params
  dropNullMembers(body.params)
}

function dropNullMembers (record: unknown): void {
  if (!isRecord(record)) return
  for (const name in record) if (record[name] === null) delete record[name]
  for (const name of optional) if (Object.hasOwn(record, name)) dropNullMembers(record[name])
}

/** The severity of a log level, from 0; negative for an unknown level. */
export function severity (level: unknown): number {
  return (logLevels as readonly unknown[]).indexOf(level)
}

/** The id to echo in a refusal. Unreadable ids are omitted: `1e999` would become null, 2 ** 53 + 1 another number. */
export function idOf (body: unknown): RequestId | undefined {
  return isRecord(body) && isRequestId(body.id) ? body.id : undefined
}

/** The maximum length of ids and progress tokens, which are echoed. Clients use counters or UUIDs. */
const maxIdLength = 256
/** The maximum length of a resource URI in a read or a subscription. */
export const maxUriLength = 2048

export function isRequestId (id: unknown): id is RequestId {
  return (typeof id === 'string' && id.length <= maxIdLength) || (typeof id === 'number' && Number.isSafeInteger(id))
}
