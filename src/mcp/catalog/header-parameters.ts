/**
 * Arguments that are repeated in headers, for routers between a caller and the server (MCP 2026-07-28,
 * Transports).
 */
import { HeaderMismatchError } from '../../errors.js'
import type { McpRequest } from '../era.js'
import { holdsData, holdsNames } from '../schemas/subschemas.js'
import { isRecord } from '../../lib/guards.js'

export interface HeaderParameter {
  /** The name of the header in lower case, as in Node. */
  readonly header: string
  readonly path: readonly string[]
}

/**
 * The parameters that the input schema of `tool` marks with `x-mcp-header`, reachable through `properties`.
 * Throws if a mark is invalid or elsewhere in the schema: clients would drop the tool from
 * their list.
 */
export function headerParameters (schema: unknown, tool: string): HeaderParameter[] {
  const found: HeaderParameter[] = []
  const names = new Set<string>()
  const refuse = (where: string, why: string): never => {
    throw new TypeError(`Tool ${tool}, x-mcp-header at ${where === '' ? 'the root' : where}: ${why}`)
  }

  /** `path` is missing if the mark is not reachable through `properties` alone. */
  const visit = (node: unknown, where: string, path?: readonly string[]): void => {
    if (Array.isArray(node)) node.forEach((child, index) => { visit(child, `${where}.${index}`) })
    if (!isRecord(node)) return
    const mark = node['x-mcp-header']
    if (mark !== undefined) {
      if (path === undefined) return refuse(where, 'it must be reachable through `properties` alone, without $ref')
      const usable =
        typeof mark === 'string' &&
        /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(mark) &&
        path.length > 0 &&
        ['string', 'integer', 'boolean'].includes(String(node.type))
      if (!usable) return refuse(where, 'a header token on a string, an integer or a boolean')
      const header = `mcp-param-${mark.toLowerCase()}`
      if (names.has(header)) return refuse(where, 'the name is used twice')
      names.add(header)
      found.push({ header, path })
    }
    for (const [keyword, child] of Object.entries(node)) {
      if (holdsData(keyword)) continue
      const below = where === '' ? keyword : `${where}.${keyword}`
      if (isRecord(child) && holdsNames(keyword)) {
        for (const [name, one] of Object.entries(child)) {
          visit(
            one,
            `${below}.${name}`,
            keyword === 'properties' && path !== undefined ? [...path, name] : undefined
          )
        }
      } else visit(child, below)
    }
  }
  visit(schema, '', [])
  return found
}

/** Each marked argument must be in its header too. A missing argument needs no header. */
export function checkHeaderParameters (
  parameters: readonly HeaderParameter[],
  args: unknown,
  headers: McpRequest['headers']
): void {
  for (const { header, path } of parameters) {
    const given = headers[header]
    const sent = typeof given === 'string' ? headerValue(given) : undefined
    if (given !== undefined && sent === undefined) {
      throw new HeaderMismatchError({ data: { header }, reason: `${header} is malformed` })
    }
    const value = path.reduce<unknown>((node, key) => (isRecord(node) ? node[key] : undefined), args)
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') continue
    // Beyond 2^53 a client cannot represent the number exactly, and the SDK's client omits the header.
    if (given === undefined && Number.isInteger(value) && !Number.isSafeInteger(value)) continue
    const equal =
      typeof value === 'number' && sent !== undefined && /^-?\d+(\.\d+)?$/.test(sent)
        ? Number(sent) === value
        : sent === String(value)
    if (!equal) throw new HeaderMismatchError({ data: { header }, reason: `${header} differs from the body` })
  }
}

const opening = '=?base64?'
const closing = '?='
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * The value of a header: decodes `=?base64?…?=`, which encodes values that a header cannot contain; any
 * other value is literal. `undefined` if the value contains characters that require the encoding, or if the
 * encoding is malformed, because Node would decode it leniently.
 */
export function headerValue (sent: string): string | undefined {
  const value = withoutBlanks(sent)
  if (/[^\t -~]/.test(value)) return undefined
  if (
    !value.startsWith(opening) ||
    !value.endsWith(closing) ||
    value.length < opening.length + closing.length
  ) { return value }
  const text = value.slice(opening.length, -closing.length)
  if (!base64.test(text)) return undefined
  try {
    // Keep a byte order mark: it is part of the value.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(text, 'base64'))
  } catch {
    return undefined
  }
}

/** Spaces and tabs around a value are not part of it (RFC 9110 §5.5). `trim` removes more than these two. */
export function withoutBlanks (sent: string): string {
  let start = 0
  let end = sent.length
  while (start < end && isBlank(sent.charCodeAt(start))) start += 1
  while (end > start && isBlank(sent.charCodeAt(end - 1))) end -= 1
  return sent.slice(start, end)
}

function isBlank (code: number): boolean {
  return code === 0x20 || code === 0x09
}
