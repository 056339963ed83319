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
  const status = text(line.statusCode ?? line.status)
  const outcome = text(code) ?? text(line.outcome ?? line.result)
  // A line without a status is about a part of the request, such as a token that it created.
  const subject = status === undefined ? text(line.kind) ?? text(line.msg) ?? 'status unknown' : `status ${status}`
  const head = [timeOf(line), subject, outcome ?? (status === undefined ? undefined : 'ok')]
  return [
    head.filter(part => part !== undefined).join(', '),
    ...sentence('Reason', reason ?? why),
    ...sentence('Caller', callerOf(line)),
    ...sentence('Asked', askedOf(line)),
    ...sentence('Error', isRecord(line.err) ? line.err.message : undefined),
    ...cut === true ? ['The connection was cut before the answer was complete.'] : [],
    ...typeof code === 'string' ? [`What to do: ${adviceFor(code)}`] : []
  ]
}

function adviceFor (code: string): string {
  return Object.hasOwn(advice, code) ? advice[code] ?? '' : `see ${code} in docs/errors.md`
}

function timeOf ({ time, at }: Line): string | undefined {
  const date = new Date(typeof time === 'number' ? time : NaN)
  return Number.isNaN(date.getTime()) ? text(at) ?? text(time) : date.toISOString()
}

function callerOf ({ principal, keyId, tokenId, ip, address, client }: Line): string | undefined {
  const parts = [
    text(principal),
    after('key', keyId),
    after('token', tokenId),
    after('from', ip ?? address),
    after('with', client)
  ]
  return parts.filter(part => part !== undefined).join(', ')
}

/** In a log line, `method` is the HTTP method. In an audit record, it is the JSON-RPC method. */
function askedOf ({ rpc, method, path, tool, prompt, uri, item }: Line): string | undefined {
  const parts = [rpc ?? method, tool ?? prompt ?? uri ?? item, rpc === undefined ? path : undefined]
  return parts.map(text).filter(part => part !== undefined).join(' ')
}

function after (word: string, value: unknown): string | undefined {
  const content = text(value)
  return content === undefined ? undefined : `${word} ${content}`
}

function sentence (name: string, value: unknown): string[] {
  const content = text(value)
  return content === undefined || content === '' ? [] : [`${name}: ${content}`]
}

/** `undefined` for a list or an object, which are not in these places of a line of ours. */
function text (value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
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
