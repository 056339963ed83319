/** Requests that this process makes to itself as a principal, without a credential. */
import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../../principal/principal.js'

/** Read of requests by `inject` alone, and good for one of them. */
const header = 'x-mcp-in-process'

interface Grant {
  readonly principal: Principal
  readonly call?: ToolCall | undefined
}

/** A request that a tool makes: it is good for one route, and no limit counts it. */
export interface ToolCall {
  /** The path of the route, as it was registered. */
  readonly route: string
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

const granted = new Map<string, Grant>()
/** Most processes make no such request. */
let isUsed = false
/** Of requests that have used their header: several parts of the server ask for one request. */
const used = new WeakMap<FastifyRequest['raw'], Grant>()

/**
 * Makes one request by `inject`, which is handed the header that lets it pass as `principal`. A request over a
 * socket cannot use the header, nor can a second one. `call`: the call of a tool that makes it. Default: the
 * request may reach each route, and counts like other requests.
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

/** The principal that a request of this process was made for. */
export function principalInProcess (request: FastifyRequest): Principal | undefined {
  const grant = grantOf(request)
  return grant === undefined || isElsewhere(request, grant) ? undefined : grant.principal
}

/** The request is made by a tool, for a call that the limits counted. */
export function isWithinCall (request: FastifyRequest): boolean {
  const grant = grantOf(request)
  return grant?.call !== undefined && !isElsewhere(request, grant)
}

/** The request is made by a tool, and came to another route than the tool's. */
export function isAstray (request: FastifyRequest): boolean {
  const grant = grantOf(request)
  return grant !== undefined && isElsewhere(request, grant)
}

/** Ends the answer of a request that a tool makes when nobody waits for it any more. */
export function endWithCall (request: FastifyRequest, { raw }: FastifyReply): void {
  const end = (): void => { if (!raw.writableFinished) raw.destroy() }
  grantOf(request)?.call?.signal.addEventListener('abort', end, { once: true })
}

function isElsewhere ({ routeOptions }: FastifyRequest, { call }: Grant): boolean {
  return call !== undefined && routeOptions.url !== call.route
}

function grantOf ({ raw }: FastifyRequest): Grant | undefined {
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
