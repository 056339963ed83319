/** Requests that this process makes to itself on behalf of a principal, without a credential. */
import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../../principal/principal.js'

/** Accepted only from `inject`, and only for one request. */
const header = 'x-mcp-in-process'

interface RouteGrant {
  readonly principal: Principal
  readonly call?: ToolCall | undefined
}

/** A request by a tool. It may reach only one route, and no limit counts it. */
export interface ToolCall {
  /** The path of the route, as registered. */
  readonly route: string
  /** Aborted when the answer is no longer needed. */
  readonly signal: AbortSignal
}

const granted = new Map<string, RouteGrant>()
/** Skips all checks below, because most processes make no such requests. */
let isUsed = false
/** Requests that have used their header. Several parts of the server look up the same request. */
const used = new WeakMap<FastifyRequest['raw'], RouteGrant>()

/**
 * Makes one request with `inject`, which gets a header that identifies it as `principal`. The header works
 * only once, and not for a request over a socket. `call` is the tool call that makes the request. Default:
 * the request may reach every route, and counts like other requests.
 */
export async function asPrincipal<T> (
  principal: Principal,
  inject: (headers: Record<string, string>) => Promise<T>,
  call?: ToolCall
): Promise<T> {
  const nonce = randomBytes(32).toString('base64url')
  isUsed = true
  granted.set(nonce, { principal, call })
  try {
    return await inject({ [header]: nonce })
  } finally {
    granted.delete(nonce)
  }
}

/** The principal on whose behalf this process made the request. */
export function principalInProcess (request: FastifyRequest): Principal | undefined {
  const grant = grantOf(request)
  return grant === undefined || isElsewhere(request, grant) ? undefined : grant.principal
}

/** True for a request by a tool, whose call the limits have already counted. */
export function isWithinCall (request: FastifyRequest): boolean {
  const grant = grantOf(request)
  return grant?.call !== undefined && !isElsewhere(request, grant)
}

/** True for a request by a tool that reached another route than the tool's. */
export function isAstray (request: FastifyRequest): boolean {
  const grant = grantOf(request)
  return grant !== undefined && isElsewhere(request, grant)
}

/** Ends the answer to a tool's request when it is no longer needed. */
export function endWithCall (request: FastifyRequest, { raw }: FastifyReply): void {
  const end = (): void => { if (!raw.writableFinished) raw.destroy() }
  grantOf(request)?.call?.signal.addEventListener('abort', end, { once: true })
}

function isElsewhere ({ routeOptions }: FastifyRequest, { call }: RouteGrant): boolean {
  return call !== undefined && routeOptions.url !== call.route
}

function grantOf ({ raw }: FastifyRequest): RouteGrant | undefined {
  if (!isUsed || raw.socket instanceof Socket) return undefined
  const before = used.get(raw)
  if (before !== undefined || granted.size === 0) return before
  const nonce = raw.headers[header]
  if (typeof nonce !== 'string') return undefined
  const grant = granted.get(nonce)
  granted.delete(nonce)
  delete raw.headers[header]
  if (grant !== undefined) used.set(raw, grant)
  return grant
}
