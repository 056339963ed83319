/** Arguments that are repeated in headers, for what stands between a caller and the server (MCP 2026-07-28, Transports). */
import { HeaderMismatchError } from '../errors.js'
import type { Incoming } from './era.js'
import { isRecord } from './messages.js'

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
    const sent = typeof given === 'string' ? headerValue(given) : undefined
    const equal = typeof value === 'number' && sent !== undefined && /^-?\d+(\.\d+)?$/.test(sent) ? Number(sent) === value : sent === String(value)
    if (!equal) throw new HeaderMismatchError({ data: { header }, reason: `${header} differs from the body` })
  }
}

const wrapped = /^=\?base64\?(.*)\?=$/
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * What a header says: undoes `=?base64?…?=`, the form of values that a header can't hold; anything
 * else is literal. `undefined` where it is malformed within: Node would decode it leniently.
 */
export function headerValue (sent: string): string | undefined {
  const value = sent.trim()
  const text = wrapped.exec(value)?.[1]
  if (text === undefined) return value
  if (!base64.test(text)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64'))
  } catch {
    return undefined
  }
}
