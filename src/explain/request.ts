/** Explains the response to a request from its log line or audit record. */
import { isRecord } from '../lib/guards.js'

export type Line = Readonly<Record<string, unknown>>

/** True if a log line or an audit record is about this request. */
export function isAbout (line: Line, requestId: string): boolean {
  return line.reqId === requestId || line.requestId === requestId
}

/** Returns lines for the operator. Values that callers chose are not escaped. */
export function explainLine (line: Line): string[] {
  const { code, reason, why, cut } = line
  const outcome = line.outcome ?? line.result
  const status = line.statusCode ?? line.status
  const head = [
    timeOf(line),
    `status ${text(status) ?? 'unknown'}`,
    code === undefined ? (text(outcome) ?? 'ok') : text(code)
  ]
  return [
    head.filter(part => part !== undefined).join(', '),
    ...sentence('Reason', reason ?? why),
    ...sentence('Caller', callerOf(line)),
    ...sentence('Asked', askedOf(line)),
    ...sentence('Error', isRecord(line.err) ? line.err.message : undefined),
    ...cut === true ? ['The connection was cut before the answer was complete.'] : [],
    ...typeof code === 'string' ? [`What to do: ${advice[code] ?? `see ${code} in docs/errors.md`}`] : []
  ]
}

function timeOf ({ time, at }: Line): string | undefined {
  if (typeof time === 'number') return new Date(time).toISOString()
  return text(at) ?? text(time)
}

function callerOf ({ principal, keyId, tokenId, ip, address, client }: Line): string | undefined {
  const parts = [
    text(principal),
    keyId === undefined ? undefined : `key ${text(keyId)}`,
    tokenId === undefined ? undefined : `token ${text(tokenId)}`,
    ip === undefined && address === undefined ? undefined : `from ${text(ip ?? address)}`,
    client === undefined ? undefined : `with ${text(client)}`
  ]
  return parts.filter(part => part !== undefined).join(', ')
}

/** In a log line, `method` is the HTTP method. In an audit record, it is the JSON-RPC method. */
function askedOf ({ rpc, method, path, tool, prompt, uri, item }: Line): string | undefined {
  const parts = [rpc ?? method, tool ?? prompt ?? uri ?? item, rpc === undefined ? path : undefined]
  return parts.filter(part => part !== undefined).map(String).join(' ')
}

function sentence (name: string, value: unknown): string[] {
  const content = text(value)
  return content === undefined || content === '' ? [] : [`${name}: ${content}`]
}

function text (value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value)
}

const advice: Readonly<Record<string, string>> = {
  MCP_ERR_UNAUTHENTICATED:
    'check the key with "keys verify" or "keys show ID"; create a new token with "token"',
  MCP_ERR_RATE_LIMITED:
    'wait; "unlock ADDRESS" unlocks an address; RATE_LIMIT_MAX and "keys create --rate-limit" set ' +
      'the limits of callers',
  MCP_ERR_ORIGIN_REFUSED: 'list the origin in CORS_ORIGINS if its pages may call',
  MCP_ERR_HOST_REFUSED: 'set PUBLIC_URL, or list the host in ALLOWED_HOSTS',
  MCP_ERR_INSUFFICIENT_SCOPE: 'the caller needs a token with the missing scope; "can" shows which',
  MCP_ERR_UNKNOWN_TOOL: 'the tool does not exist, or this caller may not use it; "can" shows which',
  MCP_ERR_NOT_ALLOWED: 'give the caller the role or the scope; "can" shows the rule',
  MCP_ERR_FROZEN: '"freeze --list" shows what is switched off; "thaw" switches it on',
  MCP_ERR_BODY_TOO_LARGE: 'raise BODY_LIMIT, or send less',
  MCP_ERR_DEADLINE: 'raise REQUEST_TIMEOUT_MS, or the deadlineMs of the tool',
  MCP_ERR_UNAVAILABLE: 'see the reason: a provider, Redis or the state directory is unavailable',
  MCP_ERR_INTERNAL: 'this is a bug in the tool or in this server; the log line has the stack'
}
