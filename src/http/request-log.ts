/** What may stand in the log: one line a request, errors made safe to print, no credential anywhere. */
import { writeSync } from 'node:fs'
import { type FastifyReply, type FastifyRequest, type FastifyServerOptions, LogController } from 'fastify'
import { destination } from 'pino'
import { ipOf } from './client-address.js'
import { configOf } from './route-config.js'
import { searchFor } from '../log/secret-search.js'
import { codeOf } from '../lib/guards.js'

const mask = '[redacted]'
/** A JWT or a part of one that starts at a segment, and this package's own API keys. */
const tokens = /eyJ[\w-]{5,}(?:\.[\w-]*){0,2}|mcp_[\w-]{16,}/g
const schemes = /\b(bearer|basic)(\s+)[\w.~+/=-]{6,}/gi
const names = '(?:proxy-)?authorization|x-api-key|(?:set-)?cookie'
/** A field of the line itself: `"cookie":"…"`, `"set-cookie":["…"]`, and the pairs of `rawHeaders`. */
const jsonFields = new RegExp(`"(${names})"(\\s*[:,]\\s*)(?:"(?:[^"\\\\]|\\\\.)*"|\\[(?:"(?:[^"\\\\]|\\\\.)*"|[^\\]"])*\\])`, 'gi')
/** The same inside a string: escaped JSON, `inspect` output, header text, the query of a URL. */
const textFields = new RegExp(
  `(${names}|[?&](?:api[_-]?key|key|(?:access[_-]?)?token))((?:\\\\+"|')?\\s*[:=]\\s*(?:\\\\+"|')?|(?:\\\\+"|')\\s*,\\s*(?:\\\\+"|'))[^"'\\\\]+`, 'gi')

/**
 * A function that blots credentials out of a line of JSON. `secrets` are the configured ones, taken
 * out wherever they stand; those shorter than 4 characters can't be told from other text.
 */
export function createRedactor (secrets: readonly string[] = []): (line: string) => string {
  // As they read inside a JSON string; the longest first, because one may be the beginning of another.
  const known = secrets.filter(secret => secret.length >= 4).map(secret => JSON.stringify(secret).slice(1, -1)).sort((a, b) => b.length - a.length)
  const pattern = new RegExp(known.map(text => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')
  const holdsKnown = known.length === 0 ? () => false : searchFor(known)
  return line => {
    const blotted = hint.test(line) ? blot(line) : line
    // Not by the pattern alone: it takes its time from how many there are, on every line.
    return holdsKnown(blotted) ? blotted.replace(pattern, mask) : blotted
  }
}

/** One pass tells that most lines hold nothing: the four of `blot` take ten times as long. Nothing here may match what every line has. */
const hint = /eyJ|mcp_|authorization|x-api-key|cookie|bearer|basic|[?&](?:api|key|access|token)/i

function blot (line: string): string {
  return line
    .replace(tokens, mask)
    .replace(jsonFields, `"$1"$2"${mask}"`)
    .replace(textFields, `$1$2${mask}`)
    .replace(schemes, `$1$2${mask}`)
}

export interface LoggableError {
  readonly type: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  readonly cause?: LoggableError
}

/**
 * An error as plain data: an allowlist of its fields, because libraries hang requests with their
 * headers on errors. Total: getters that throw, proxies and thrown strings are no obstacle.
 */
export function loggable (error: unknown, depth = 0): LoggableError {
  if (typeof error !== 'object' || error === null) return { type: error === null ? 'null' : typeof error, message: textOf(error) }
  const stack = field(error, 'stack')
  const code = field(error, 'code')
  const cause = depth < 3 ? read(error, 'cause') : undefined
  return {
    type: field(error, 'name') ?? field(error, 'type') ?? 'Object',
    message: field(error, 'message') ?? '',
    ...(stack === undefined ? {} : { stack }),
    ...(code === undefined ? {} : { code }),
    ...(cause === undefined ? {} : { cause: loggable(cause, depth + 1) })
  }
}

/** A thrown function may bring a `toString` of its own. */
function textOf (thrown: unknown): string {
  try {
    return shorten(String(thrown))
  } catch {
    return ''
  }
}

function field (error: object, key: string): string | undefined {
  const value = read(error, key)
  return typeof value === 'string' ? shorten(value) : undefined
}

function read (error: object, key: string): unknown {
  try {
    return (error as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

/** A message may quote a whole body. */
function shorten (text: string): string {
  return text.length > 8192 ? `${text.slice(0, 8192)}…` : text
}

export interface LogOptions {
  /** `silent` for none. Default `info`. */
  readonly level?: string | undefined
  /** Where lines go. Default standard output. */
  readonly stream?: { write: (line: string) => void } | undefined
  /** Configured credentials, redacted wherever they stand. */
  readonly secrets?: readonly string[] | undefined
}

/** What waits for a log that cannot be written. */
const maxUnwrittenBytes = 8 * 1024 * 1024
/** So much is written before the turn is over. */
const longestTurn = 64 * 1024

/**
 * Standard output, with one write for all lines of a turn of the event loop: a write costs more than the
 * line. What is left when the process ends is written then; SIGKILL loses the lines of that one turn.
 */
class StandardOutput {
  // Not its own buffer: each flush of that waits for the disk.
  readonly #out = destination({ dest: 1, sync: true, maxLength: maxUnwrittenBytes })
  #lines = ''
  #failedBy = ''

  constructor () {
    // A full disk costs lines, and no answer: nobody else listens, and then an error is the end of the process.
    this.#out.on('error', error => { this.#tell(codeOf(error)) })
    this.#out.on('drop', () => { this.#tell('too many lines') })
    this.#out.on('write', () => { this.#failedBy = '' })
    process.on('exit', () => { this.#flush() })
  }

  #tell (code: string): void {
    if (code === this.#failedBy) return
    this.#failedBy = code
    try {
      writeSync(2, `The log cannot be written (${code}); lines are lost until it can.\n`)
    } catch {
      // Standard error may be on the same disk.
    }
  }

  write (line: string): void {
    if (this.#lines === '') setImmediate(() => { this.#flush() })
    this.#lines += line
    if (this.#lines.length > longestTurn) this.#flush()
  }

  #flush (): void {
    const lines = this.#lines
    this.#lines = ''
    if (lines !== '') this.#out.write(lines)
  }
}

/** One for the process, which has one standard output. */
let standardOutput: StandardOutput | undefined

/** The `logger` option of Fastify: pino, with redaction as the last step before the stream. */
export function loggerOptions ({ level = 'info', stream = standardOutput ??= new StandardOutput(), secrets }: LogOptions): NonNullable<FastifyServerOptions['logger']> {
  if (level === 'silent') return false
  return {
    level,
    stream,
    serializers: {
      err: (error: unknown) => ({ stack: '', ...loggable(error) }),
      req: request => ({ method: request.method, path: pathOf(request.url, request.is404), ip: request.ip }),
      res: reply => ({ statusCode: reply.statusCode })
    },
    // On the finished line, because a credential can hide in any string of any field.
    hooks: { streamWrite: createRedactor(secrets) }
  }
}

/** Replaces Fastify's two lines a request, which hold the query, by one that does not. */
export class RequestLog extends LogController {
  override incomingRequest (request: FastifyRequest, reply: FastifyReply): void {
    const { raw } = reply
    let isFinished = false
    // Not `once`, which wraps each listener: neither event comes twice.
    raw.on('finish', () => { isFinished = true })
    raw.on('close', () => { if (!isFinished) logRequest(request, reply, true) })
  }

  override requestCompleted (error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    // A response that failed is logged when it closes.
    if (error == null) logRequest(request, reply)
  }

  override defaultErrorLog (error: Error, request: FastifyRequest): void {
    request.log.error({ err: error }, 'fault')
  }

  override routeNotFound (): void {}
}

/** The line of a request. `cut` where the caller left before the answer was complete. */
export function logRequest (request: FastifyRequest, reply: FastifyReply, cut = false): void {
  const call = request.mcpCall
  const fields = {
    method: request.method,
    path: pathOf(request.originalUrl, request.is404),
    statusCode: reply.statusCode,
    ms: Math.round(reply.elapsedTime * 100) / 100,
    ip: ipOf(request),
    principal: request.principal?.id,
    code: request.refusal?.code,
    reason: request.refusal?.reason,
    ...call?.fields,
    outcome: call == null ? undefined : request.refusal?.code ?? call.outcome,
    ...(cut ? { cut } : {})
  }
  if (isGoodProbe(request, reply)) request.log.debug(fields, 'request')
  else request.log.info(fields, 'request')
}

/** A balancer that asks every few seconds and hears that all is well. */
function isGoodProbe (request: FastifyRequest, { statusCode }: FastifyReply): boolean {
  return statusCode < 400 && configOf(request)?.probe === true
}

/** Without the query, where people put keys; bounded, because a stranger chooses it. `isUnknown`: no route has it. */
function pathOf (url: string | undefined, isUnknown: boolean): string | undefined {
  if (isUnknown && url !== undefined) return beginningOf(tidy(url))
  return url === undefined || (url.length <= 256 && !/[?#;%]/.test(url)) ? url : tidy(url)
}

function tidy (url: string): string {
  return url.slice(0, 256).replace(/[?#;].*$/s, '').replace(needlessEscapes, escape => decodeURIComponent(escape))
}

/**
 * Of a path that no route has: a key of no known form may stand in it, as of 16 characters and with
 * slashes inside. What real clients look for is told in full.
 */
function beginningOf (path: string): string {
  const [beginning = ''] = /^(?:\/(?!\.well-known\/)[^/]{0,15}(?![^/]))?(?:\/\.well-known\/(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)(?![^/]))?/.exec(path) ?? []
  return beginning.length === path.length ? path : `${beginning}/…`
}

/** Letters, digits and `-._~`: escaped they mean the same (RFC 3986 §6.2.2.2), and a secret in a path would look like none. */
const needlessEscapes = /%(?:2[de]|3\d|[46][1-9a-f]|[57][0-9a]|5f|7e)/gi
