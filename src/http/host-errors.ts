/** Handles errors of a host's hooks, such as its own authentication or rate limit. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  BodyTooLargeError,
  ForbiddenError,
  HeadersTooLargeError,
  MethodNotAllowedError,
  NotAcceptableError,
  NotFoundError,
  RateLimitedError,
  type Refusal,
  RequestTimeoutError,
  retryLater,
  UnauthenticatedError,
  UnavailableError,
  UnsupportedMediaTypeError
} from '../errors.js'

/** Set on the config of a route for which `handlerBegins` is called before the handler runs. */
const marksBegin = Symbol('the begin of the handler is marked')
/** Set on the config of a route whose handler calls `handlerBegins` itself and needs no hook for it. */
export const callsHandlerBegins = Symbol('the handler marks its own begin')
/** Set on a request whose handler has begun. */
const hasBegun = Symbol('the handler has begun')

type MarkedRequest = FastifyRequest & { [hasBegun]?: boolean }

/** Distinguishes errors of hooks from errors of handlers, on each route added to `fastify` from now on. */
export function tellHooksFromHandlers (fastify: FastifyInstance): void {
  fastify.addHook('onRoute', route => {
    route.config = Object.assign({}, route.config, { [marksBegin]: true })
    if (callsHandlerBegins in route.config) return
    // A route's own hooks run after those of its scope, so this hook runs last.
    route.preHandler = [...[route.preHandler ?? []].flat(), begin]
  })
}

function begin (request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  handlerBegins(request)
  done()
}

export function handlerBegins (request: MarkedRequest): void {
  request[hasBegun] = true
}

/**
 * False for an error of a handler, whose status may come from a service that it called. An unknown path only
 * has hooks.
 */
export function isErrorOfHook (request: FastifyRequest): boolean {
  if (request.is404) return true
  const config: object = request.routeOptions.config
  return marksBegin in config && (request as MarkedRequest)[hasBegun] !== true
}

const byStatus: ReadonlyMap<number, typeof ForbiddenError> = new Map(
  [
    UnauthenticatedError,
    ForbiddenError,
    NotFoundError,
    MethodNotAllowedError,
    NotAcceptableError,
    RequestTimeoutError,
    BodyTooLargeError,
    UnsupportedMediaTypeError,
    RateLimitedError,
    HeadersTooLargeError,
    UnavailableError
  ].map(Refused => [Refused.statusCode, Refused])
)

/**
 * The refusal for an error of a host's hook: its status and `Retry-After`, with our messages. `undefined` if
 * its status is not that of a refusal: it is then a fault. Reads only two properties and one header, and
 * never throws.
 */
export function hostRefusal (error: unknown, reply: FastifyReply): Refusal | undefined {
  const status = statusOf(error) ?? reply.statusCode
  if (status < 400 || status === 500 || status > 599) return undefined
  const Refused = byStatus.get(status) ?? (status < 500 ? ForbiddenError : UnavailableError)
  const retryAfter = retryAfterOf(error, reply)
  const about = { cause: error, reason: 'a hook of the host refused the request', why: 'host' }
  const refusal = new Refused(retryAfter === undefined ? about : retryLater(retryAfter * 1000, about))
  // Statuses without their own error code.
  if (refusal.statusCode !== status) Object.defineProperty(refusal, 'statusCode', { value: status })
  return refusal
}

function statusOf (error: unknown): number | undefined {
  return [read(error, 'statusCode'), read(error, 'status')].find(isStatus)
}

function isStatus (value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 400 && value <= 599
}

/** In seconds; `undefined` for a date. */
function retryAfterOf (error: unknown, reply: FastifyReply): number | undefined {
  const headers = read(error, 'headers')
  const given = reply.getHeader('retry-after') ?? read(headers, 'retry-after') ?? read(headers, 'Retry-After')
  const text = typeof given === 'number' || typeof given === 'string' ? String(given) : ''
  return /^\d{1,7}$/.test(text) ? Number(text) : undefined
}

/** Reads a property safely: a thrown value may have getters that throw. */
function read (value: unknown, key: string): unknown {
  try {
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
  } catch {
    return undefined
  }
}
