/** JSON-RPC 2.0 messages as they arrive: their types, and what kind one is. */
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

export type Kind = 'request' | 'notification' | 'response' | 'invalid'

const members = new Set(['jsonrpc', 'id', 'method', 'params'])

/**
 * What a parsed body is. An `id` of MCP is a string of at most 256 characters or an integer, never null (MCP
 * 2025-11-25, Base Protocol). As strict as the SDKs: a request that they can't make out is one they never answer.
 */
export function kindOf (body: unknown): Kind {
  if (!isRecord(body) || body.jsonrpc !== '2.0') return 'invalid'
  const { method, params } = body
  if (method === undefined) {
    return isId(body.id) && (isRecord(body.result) || isRecord(body.error)) ? 'response' : 'invalid'
  }
  if (typeof method !== 'string' || !hasOnlyMembers(body)) return 'invalid'
  if (params !== undefined && !isRecord(params)) return 'invalid'
  if (!('id' in body)) return 'notification'
  return isId(body.id) ? 'request' : 'invalid'
}

function hasOnlyMembers (body: Record<string, unknown>): boolean {
  for (const name in body) if (!members.has(name)) return false
  return true
}

/**
 * False where the `_meta` of a message, or of one in a batch, is too large, or has a field of the
 * protocol that is not of its type (MCP 2025-11-25, General Fields): such a request the SDKs never
 * answer either.
 */
export function hasReadableMeta (body: unknown): boolean {
  if (Array.isArray(body)) return body.every(hasReadableMeta)
  if (!isRecord(body) || !isRecord(body.params)) return true
  const { _meta: meta } = body.params
  if (meta === undefined) return true
  if (!isRecord(meta) || !isModest(meta)) return false
  const { progressToken, 'io.modelcontextprotocol/related-task': task } = meta
  return (
    (progressToken === undefined || isId(progressToken)) &&
    (task === undefined || (isRecord(task) && typeof task.taskId === 'string'))
  )
}

/**
 * False where an object holds more than `maxValues`, at whatever depth. For what is checked by a schema, which
 * would take seconds to put together what is wrong with each.
 */
export function isModest (value: Record<string, unknown>, maxValues = 1000): boolean {
  const open = [value]
  let count = 0
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    // Not Object.values: an array for each object of each request.
    for (const key in node) {
      if (++count > maxValues) return false
      const child = node[key]
      if (typeof child === 'object' && child !== null) open.push(child as Record<string, unknown>)
    }
  }
  return true
}

/**
 * Drops the members of a message's parameters, and of their `_meta`, that are null: many clients write null for
 * what they leave out. Arguments of tools and prompts stay as they are. Changes `body`.
 */
export function dropNulls (body: unknown): void {
  if (Array.isArray(body)) body.forEach(dropNulls)
  if (!isRecord(body) || typeof body.method !== 'string') return
  if (!isRecord(body.params)) return
  dropNullMembers(body.params)
  if (isRecord(body.params._meta)) dropNullMembers(body.params._meta)
}

function dropNullMembers (record: Record<string, unknown>): void {
  for (const name in record) if (record[name] === null) delete record[name]
}

/** The place of a log level in the order of severity, from 0; below that it is none. */
export function severity (level: unknown): number {
  return (logLevels as readonly unknown[]).indexOf(level)
}

/** The id to echo in a refusal, where it could be read: `1e999` would be echoed as null, 2 ** 53 + 1 as another. */
export function idOf (body: unknown): RequestId | undefined {
  return isRecord(body) && isId(body.id) ? body.id : undefined
}

/** Ids and progress tokens are repeated in what goes out. Clients count, or make a UUID. */
const maxIdLength = 256
/** Of a resource, whether it is read or subscribed to. */
export const maxUriLength = 2048

function isId (id: unknown): id is RequestId {
  return (typeof id === 'string' && id.length <= maxIdLength) || (typeof id === 'number' && Number.isSafeInteger(id))
}
