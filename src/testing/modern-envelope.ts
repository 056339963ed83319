/** Builds the `_meta` and the matching headers of a request of revision 2026-07-28. */
import { isRecord } from '../lib/guards.js'
import type { JsonObject } from './inject-mcp.js'

const revision = '2026-07-28'
const prefix = 'io.modelcontextprotocol/'

/** Requests all log messages, because a test may check them. */
export function modernMeta (clientInfo: JsonObject, capabilities: JsonObject): JsonObject {
  return {
    [`${prefix}protocolVersion`]: revision,
    [`${prefix}clientCapabilities`]: capabilities,
    [`${prefix}clientInfo`]: clientInfo,
    [`${prefix}logLevel`]: 'debug'
  }
}

export function modernHeaders (method: string, { name, uri }: JsonObject): Record<string, string> {
  const named = method === 'resources/read' ? uri : name
  return {
    'mcp-protocol-version': revision,
    'mcp-method': method,
    ...(typeof named === 'string' ? { 'mcp-name': encoded(named) } : {})
  }
}

/** The headers for arguments that the tool's schema marks with `x-mcp-header`. */
export function askedHeaders (tools: unknown, { name, arguments: args }: JsonObject): Record<string, string> {
  const tool: unknown = Array.isArray(tools) ? tools.find(one => isRecord(one) && one.name === name) : undefined
  return isRecord(tool) ? headersOf(tool.inputSchema, args) : {}
}

function headersOf (schema: unknown, value: unknown): Record<string, string> {
  if (!isRecord(schema)) return {}
  const header = schema['x-mcp-header']
  if (typeof header === 'string' && ['string', 'number', 'boolean'].includes(typeof value)) {
    return { [`mcp-param-${header.toLowerCase()}`]: encoded(String(value)) }
  }
  if (!isRecord(schema.properties) || !isRecord(value)) return {}
  return Object.assign({}, ...Object.entries(schema.properties).map(([name, part]) => headersOf(part, value[name])))
}

/** Encodes values that a header cannot contain (MCP 2026-07-28, Transports). */
function encoded (text: string): string {
  const isPlain =
    /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) &&
    !(text.startsWith('=?base64?') && text.endsWith('?='))
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`
}
