/** Options of the Fastify server: timeouts, limits, the log, and answers before any hook runs. */
import { randomUUID } from 'node:crypto'
import { type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyHttpOptions, FastifyInstance } from 'fastify'
import { BadHttpError, type Refusal } from '../errors.js'
import { refusalBody, toRefusal } from '../to-refusal.js'
import { loggable } from '../log/serialize-error.js'
import { outcomeOf, reasonClassOf } from '../telemetry/classify.js'
import { emitDecision } from './decisions.js'
import { createRequestIds, requestIdHeader, sendRequestId } from './request/request-id.js'
import { loggerOptions, RequestLog } from './request-log.js'
import { isMalformedUrl, sanitize, sendRefusal } from './refusal-reply.js'

export interface HttpOptions {
  /** pino's levels, or `silent`. Default `info`. */
  readonly logLevel?: string
  /** The output for log lines. Default standard output. */
  readonly logStream?: { write: (line: string) => void }
  /** Configured credentials, which are redacted everywhere in a log line. Default: none. */
  readonly secrets?: readonly string[]
  /** The largest request body, in bytes. Default 1 MiB. */
  readonly bodyLimit?: number
  /**
   * Trusted proxies (`X-Forwarded-For`): addresses, CIDRs, `loopback`, `linklocal`, `uniquelocal`. Default:
   * none.
   */
  readonly trustProxy?: readonly string[]
  /** Milliseconds within which a request must arrive completely; then 408. Default 15,000. */
  readonly receiveTimeoutMs?: number
  /** Milliseconds within which its headers must arrive; at most `receiveTimeoutMs`. Default 10,000. */
  readonly headersTimeoutMs?: number
  /** Milliseconds between checks of the timeouts of all connections. Default 1,000. */
  readonly checkIntervalMs?: number
  /**
   * Milliseconds that an idle connection stays open. Default 72,000, above the usual 60 s of load balancers.
   */
  readonly keepAliveTimeoutMs?: number
  /**
   * Milliseconds without any traffic until a connection is closed; 0: never. Must be longer than the pauses
   * of a stream. `mcp` extends it for its calls. Default 120,000.
   */
  readonly idleTimeoutMs?: number
  /** The largest request headers, in bytes; then 431. Default 16 KiB. */
  readonly maxHeaderBytes?: number
}

/** Matches no route; hooks still run, so a malformed URL is refused and counted like any other. */
const malformedPath = '/%00'
/** How long the rest of a refused request is read and discarded, so that a reset does not lose the answer. */
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
    // Fastify's own 503 has another shape. Requests during the close are answered with `Connection: close`.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => {
      const refusal = sanitize(error, request, reply)
      reply.raw.once('finish', () => { emitDecision(request, reply, refusal) })
      reply.header('vary', 'Origin')
      sendRequestId(request, reply)
      sendRefusal(refusal, request, reply)
    },
    clientErrorHandler
  }
}

/**
 * Settings of a Node server that can only be set after its creation. Node silently drops headers after the
 * first 1,000, including an `X-Forwarded-For` that a proxy appended; the total size of headers has its own
 * limit.
 */
export function tuneServer (server: Server): void {
  server.maxHeadersCount = 0
}

/** Refuses `true` and numbers, which have silently trusted everyone or nobody (CVE-2026-16732). */
function checkedProxy (entry: string): string {
  if (typeof entry === 'string' && /^(?:loopback|linklocal|uniquelocal)$|[.:]/.test(entry)) return entry
  throw new TypeError('trustProxy: each entry must be an address, a CIDR, loopback, linklocal or uniquelocal')
}

/** Handles requests that the parser or a timeout refused. There is only a socket, no request. */
function clientErrorHandler (this: FastifyInstance, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) {
    socket.destroy()
    return
  }
  // Already answered: the parser reports another error for the remaining bytes.
  if (socket.writableEnded) return
  // A proxy could take a second answer for that of another caller's request.
  if (isAnswered(socket)) {
    socket.destroy()
    return
  }
  const refusal = refusalOf(error)
  const requestId = randomUUID()
  // Never log the error itself: its `rawPacket` contains the headers with credentials.
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

/** Fields of Node's own HTTP server: the answer being sent, and the request being read. */
interface HttpSocket extends Socket {
  _httpMessage?: { headersSent: boolean } | null
  parser?: { incoming?: { complete: boolean } | null } | null
}

/** True if the answer was sent while the rest of the request was still awaited. */
function isAnswered ({ _httpMessage: answer, parser }: HttpSocket): boolean {
  return (answer === null || answer === undefined) && parser?.incoming?.complete === false
}

function refusalOf (error: Error): Refusal {
  const refusal = toRefusal(error)
  return refusal.statusCode < 500 ? refusal : new BadHttpError()
}

/** Node's own handler checks the same field: a second status line would be read as part of the body. */
function hasStartedAnswer (socket: HttpSocket): boolean {
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
