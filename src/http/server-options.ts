/** Options of the Fastify server: timeouts, limits, the log, and answers before any hook runs. */
import { randomUUID } from 'node:crypto'
import { type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyHttpOptions, FastifyInstance } from 'fastify'
import { BadHttpError, type Refusal } from '../errors.js'
import { refusalBody, toRefusal } from '../to-refusal.js'
import { loggable } from '../log/serialize-error.js'
import { outcomeOf, reasonClassOf } from '../telemetry/classify.js'
import { sayDecision } from './decisions.js'
import { createRequestIds, requestIdHeader, sendRequestId } from './request/request-id.js'
import { loggerOptions, RequestLog } from './request-log.js'
import { isMalformedUrl, sanitize, sendRefusal } from './refusal-reply.js'

export interface HttpOptions {
  /** pino's levels, or `silent`. Default `info`. */
  readonly logLevel?: string
  /** Where log lines go. Default standard output. */
  readonly logStream?: { write: (line: string) => void }
  /** Configured credentials, redacted wherever they stand in a log line. Default none. */
  readonly secrets?: readonly string[]
  /** Bytes of a body. Default 1 MiB. */
  readonly bodyLimit?: number
  /** Addresses, CIDRs, `loopback`, `linklocal`, `uniquelocal`: proxies whose `X-Forwarded-For` counts. Default none. */
  readonly trustProxy?: readonly string[]
  /** Milliseconds until a request must have arrived in full; then 408. Default 15,000. */
  readonly receiveTimeoutMs?: number
  /** Milliseconds until its headers must have; never more than `receiveTimeoutMs`. Default 10,000. */
  readonly headersTimeoutMs?: number
  /** Milliseconds between two looks at the clocks of all connections. Default 1,000. */
  readonly checkIntervalMs?: number
  /** Milliseconds that an idle connection stays open. Default 72,000, above the usual 60 s of load balancers. */
  readonly keepAliveTimeoutMs?: number
  /**
   * Milliseconds without a byte in either direction until a connection is cut; 0 never. Keep it above the pauses of a
   * stream. `mcp` gives its calls the time that they may take. Default 120,000.
   */
  readonly idleTimeoutMs?: number
  /** Bytes of a request's headers; then 431. Default 16 KiB. */
  readonly maxHeaderBytes?: number
}

/** No route is called so; the hooks still run, so that a malformed URL is refused and charged like any other. */
const malformedPath = '/%00'
/** How long what a refused caller is still sending is read away, so that the answer is not lost in a reset. */
const lingerMs = 1000

export function serverOptions (options: HttpOptions = {}): FastifyHttpOptions<Server> {
  const {
    logLevel,
    logStream,
    secrets,
    bodyLimit = 1024 * 1024,
    trustProxy = [],
    receiveTimeoutMs = 15_000,
    headersTimeoutMs = 10_000,
    checkIntervalMs = 1000,
    keepAliveTimeoutMs = 72_000,
    idleTimeoutMs = 120_000,
    maxHeaderBytes = 16 * 1024
  } = options
  return {
    logger: loggerOptions({ level: logLevel, stream: logStream, secrets }),
    logController: new RequestLog(),
    genReqId: createRequestIds(trustProxy),
    requestIdHeader: false,
    bodyLimit,
    trustProxy: trustProxy.length === 0 ? false : trustProxy.map(checkedProxy),
    rewriteUrl: request => isMalformedUrl(request.url ?? '') ? malformedPath : request.url ?? '/',
    connectionTimeout: idleTimeoutMs,
    requestTimeout: receiveTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    http: {
      headersTimeout: Math.min(headersTimeoutMs, receiveTimeoutMs),
      requestTimeout: receiveTimeoutMs,
      connectionsCheckingInterval: checkIntervalMs,
      maxHeaderSize: maxHeaderBytes,
      insecureHTTPParser: false
    },
    forceCloseConnections: 'idle',
    // Fastify's 503 has a shape of its own; what arrives while we close is answered, with `Connection: close`.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => {
      const refusal = sanitize(error, request, reply)
      reply.raw.once('finish', () => { sayDecision(request, reply, refusal) })
      reply.header('vary', 'Origin')
      sendRequestId(request, reply)
      sendRefusal(refusal, request, reply)
    },
    clientErrorHandler
  }
}

/**
 * What a server of Node takes only after it was made. Node keeps the first 1,000 headers of a request and drops the
 * others without a word, among them an `X-Forwarded-For` that a proxy put last; their size has a limit of its own.
 */
export function tuneServer (server: Server): void {
  server.maxHeadersCount = 0
}

/** `true`, a number and `1` have meant everyone or nobody, silently (CVE-2026-16732). */
function checkedProxy (entry: string): string {
  if (typeof entry === 'string' && /^(?:loopback|linklocal|uniquelocal)$|[.:]/.test(entry)) return entry
  throw new TypeError('trustProxy: each entry must be an address, a CIDR, loopback, linklocal or uniquelocal')
}

/** What the parser or a timeout refused: there is no request yet, only a socket. */
function clientErrorHandler (this: FastifyInstance, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) {
    socket.destroy()
    return
  }
  // Answered already: the parser complains again about the rest of the bytes.
  if (socket.writableEnded) return
  const refusal = refusalOf(error)
  const requestId = randomUUID()
  // Never the error itself: its `rawPacket` holds the headers, credentials included.
  const { code, statusCode: status } = refusal
  if (this.hasDecorator('decisions')) {
    this.decisions.note({
      kind: 'refused',
      outcome: outcomeOf(code, code),
      at: Date.now(),
      requestId,
      address: socket.remoteAddress,
      code,
      why: reasonClassOf(code),
      reason: loggable(error).code,
      http: { status, isCut: false, isGoodProbe: false }
    }, this.log.child({ reqId: requestId }))
  }
  if (!socket.writable || hasStartedAnswer(socket)) {
    socket.destroy()
    return
  }
  socket.end(rawAnswer(refusal, requestId))
  const linger = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(linger))
}

function refusalOf (error: Error): Refusal {
  const refusal = toRefusal(error)
  return refusal.statusCode < 500 ? refusal : new BadHttpError()
}

/** Node's own handler looks at the same field: a second status line inside an answer would be read as its body. */
function hasStartedAnswer (socket: Socket & { _httpMessage?: { headersSent: boolean } | null }): boolean {
  return socket._httpMessage?.headersSent === true
}

function rawAnswer (refusal: Refusal, requestId: string): string {
  const body = JSON.stringify(refusalBody(refusal, requestId))
  return [
    `HTTP/1.1 ${refusal.statusCode} ${STATUS_CODES[refusal.statusCode] ?? ''}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `${requestIdHeader}: ${requestId}`,
    'Vary: Origin',
    'Connection: close',
    '',
    body
  ].join('\r\n')
}
