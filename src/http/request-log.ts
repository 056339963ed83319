/** One line a request in the log, and the logger that writes it. */
import type { ServerResponse } from 'node:http'
import { type FastifyReply, type FastifyRequest, type FastifyServerOptions, LogController } from 'fastify'
import { ipOf } from './client-address.js'
import { configOf } from './route-config.js'
import { createRedactor } from '../log/redact.js'
import { loggable } from '../log/serialize-error.js'
import { toStandardOutput } from '../log/stdout.js'

export interface LogOptions {
  /** `silent` for none. Default `info`. */
  readonly level?: string | undefined
  /** Where lines go. Default standard output. */
  readonly stream?: { write: (line: string) => void } | undefined
  /** Configured credentials, redacted wherever they stand. */
  readonly secrets?: readonly string[] | undefined
}

/** The `logger` option of Fastify: pino, with redaction as the last step before the stream. */
export function loggerOptions ({ level = 'info', stream = toStandardOutput(), secrets }: LogOptions): NonNullable<FastifyServerOptions['logger']> {
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

/** By response: who ends the process knows nothing else of a request. */
const requestIds = new WeakMap<ServerResponse, string>()

/** The id of the request that `response` answers; `undefined` where no `RequestLog` saw it. */
export function requestIdOf (response: ServerResponse): string | undefined {
  return requestIds.get(response)
}

/** Replaces Fastify's two lines a request, which hold the query, by one that does not. */
export class RequestLog extends LogController {
  override incomingRequest (request: FastifyRequest, reply: FastifyReply): void {
    const { raw } = reply
    requestIds.set(raw, request.id)
    let isFinished = false
    // Not `once`, which wraps each listener: neither event comes twice.
    raw.on('finish', () => { isFinished = true })
    raw.on('close', () => { if (!isFinished) logRequest(request, reply, true) })
  }

  override requestCompleted (error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    // A response that failed is logged when it closes. Node calls one finished whose connection was cut behind it, too.
    if (error == null) logRequest(request, reply, request.raw.socket?.destroyed === true)
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
    keyId: request.principal?.keyId,
    code: request.refusal?.code,
    reason: request.refusal?.reason,
    ...request.refusal?.about,
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
