/** The caller on a request: `request.mcp`, with `request.principal` as an alias if that name is free. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isRecord } from '../../lib/guards.js'
import type { Verified } from '../../principal/presented.js'
import { freezePrincipal, type Principal } from '../../principal/principal.js'
import { linkProof } from '../../principal/proof.js'
import { principalInProcess } from './in-process.js'

/** `request.mcp`: what is known of the caller. */
export class RequestCaller {
  /**
   * The caller. `null` on public routes, unknown paths without a good credential, preflights, and before it
   * is verified.
   */
  principal: Principal | null = null
  /** Requests a window, where the credential has a limit of its own; otherwise `null`. */
  rateLimitMax: number | null = null
  #proof: Principal | undefined

  /** `proof`: what the credential itself proved, where the app made more of it. */
  admit ({ principal, rateLimitMax }: Verified, proof: Principal = principal): void {
    this.principal = principal
    this.rateLimitMax = rateLimitMax ?? null
    this.#proof = proof
  }

  /** What the credential of the request proved, whatever stands in `principal` by now. */
  get proof (): Principal | undefined {
    return this.#proof
  }
}

/**
 * The types of `request.principal` and `request.rateLimitMax`. A host may have declared those names as something
 * else, which an interface that is extended allows where its own are `any`. `request.mcp` is typed.
 */
export interface CallerAliases {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
  principal: any
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
  rateLimitMax: any
}

const known = Symbol('the caller of a request')

type Kept = FastifyRequest & { [known]?: RequestCaller }

const aliases = ['principal', 'rateLimitMax'] as const

/** Decorates requests with `mcp`, and with `wanted` of its members where the host has no such names. */
export function decorateCaller (
  fastify: FastifyInstance,
  wanted: ReadonlyArray<typeof aliases[number]> = aliases
): void {
  if (!fastify.hasRequestDecorator('mcp')) {
    fastify.decorateRequest('mcp', { getter (this: Kept) { return (this[known] ??= newCaller(this)) } })
  }
  for (const name of wanted) {
    if (fastify.hasRequestDecorator(name)) continue
    fastify.decorateRequest(name, {
      getter (this: FastifyRequest): unknown { return this.mcp[name] },
      setter (this: FastifyRequest, value: never) { this.mcp[name] = value }
    })
  }
}

/** A request that this process makes has its caller at once: hooks of a host may ask for it before ours run. */
function newCaller (request: FastifyRequest): RequestCaller {
  const caller = new RequestCaller()
  const principal = principalInProcess(request)
  if (principal !== undefined) caller.admit({ principal })
  return caller
}

/** The caller, whoever put it on the request: `auth`, or a hook of a host that has no such plugin. */
export function principalOn (request: FastifyRequest): Principal | null {
  const { mcp } = request as { mcp?: RequestCaller }
  return (mcp === undefined ? request.principal as Principal | null | undefined : mcp.principal) ?? null
}

/** The caller for the endpoint. A host's hook may have put a copy in its place, which is judged by the original. */
export function callerOf (request: FastifyRequest): Principal | null {
  const given = principalOn(request)
  if (given === null) return null
  // A host that makes its own principals may know nothing of attributes; those who ask for them rely on some.
  const principal = isRecord(given.attributes) ? given : freezePrincipal({ ...given, attributes: {} })
  const { proof } = (request as { mcp?: RequestCaller }).mcp ?? {}
  if (proof !== undefined) linkProof(principal, proof)
  return principal
}
