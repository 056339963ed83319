/** The caller on a request: `request.mcp`, with `request.principal` as an alias if that name is free. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isRecord } from '../../lib/guards.js'
import type { Verified } from '../../principal/presented.js'
import { freezePrincipal, type Principal } from '../../principal/principal.js'
import { linkProof } from '../../principal/proof.js'
import { principalInProcess } from './in-process.js'

/** `request.mcp`: the caller of the request. */
export class RequestCaller {
  /**
   * The caller. `null` on public routes, unknown paths without a valid credential, preflights, and before
   * authentication.
   */
  principal: Principal | null = null
  /** Requests per window, if the credential has its own limit; otherwise `null`. */
  rateLimitMax: number | null = null
  #proof: Principal | undefined

  /** `proof` is the principal that the credential proved, if the app changed the principal. */
  admit ({ principal, rateLimitMax }: Verified, proof: Principal = principal): void {
    this.principal = principal
    this.rateLimitMax = rateLimitMax ?? null
    this.#proof = proof
  }

  /** The principal that the credential proved, even if `principal` was replaced since. */
  get proof (): Principal | undefined {
    return this.#proof
  }
}

/**
 * The types of `request.principal` and `request.rateLimitMax`. They are `any`, because only then may a host
 * declare the same names with other types. `request.mcp` is typed.
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

/**
 * Set on an instance whose requests have our `mcp`, and inherited by nested scopes. Shared by copies of this
 * package.
 */
const isOurs = Symbol.for('fastify-mcp-auth.request.mcp')

/**
 * Decorates requests with `mcp`, and with those members of `wanted` whose names the host does not use. Throws
 * a `TypeError` if the host has an `mcp` of its own.
 */
export function decorateCaller (
  fastify: FastifyInstance,
  wanted: ReadonlyArray<typeof aliases[number]> = aliases
): void {
  const marked = fastify as FastifyInstance & { [isOurs]?: true }
  if (marked[isOurs] !== true) {
    if (fastify.hasRequestDecorator('mcp')) {
      throw new TypeError(
        'The app decorates requests with `mcp`, which is where fastify-mcp-auth puts the caller: rename that decorator'
      )
    }
    marked[isOurs] = true
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

/**
 * An in-process request has its caller from the start, because hooks of a host may read it before ours run.
 */
function newCaller (request: FastifyRequest): RequestCaller {
  const caller = new RequestCaller()
  const principal = principalInProcess(request)
  if (principal !== undefined) caller.admit({ principal })
  return caller
}

/** The caller, as set by `auth` or by a hook of a host without that plugin. */
export function principalOn (request: FastifyRequest): Principal | null {
  const { mcp } = request as { mcp?: RequestCaller }
  return (isRecord(mcp) ? mcp.principal : request.principal as Principal | null | undefined) ?? null
}

/** The caller for the endpoint. If a host's hook replaced it with a copy, the original is checked. */
export function callerOf (request: FastifyRequest): Principal | null {
  const given = principalOn(request)
  if (given === null) return null
  // A principal created by the host may lack attributes, but readers rely on them.
  const principal = isRecord(given.attributes) ? given : freezePrincipal({ ...given, attributes: {} })
  const { proof } = (request as { mcp?: RequestCaller }).mcp ?? {}
  if (proof !== undefined) linkProof(principal, proof)
  return principal
}
