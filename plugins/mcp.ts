/** The `/mcp` route: hands authenticated requests to the bridge and its replies to Fastify. */
import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { InsufficientScopeError, isRefusal, type Refusal, UnauthenticatedError } from '../src/errors.js'
import { registerJsonBody } from '../src/http/json-body.js'
import { spellingsOf } from '../src/http/trailing-slash.js'
import { Call, type LoggedCall, type Place } from '../src/http/mcp-request.js'
import { Catalog, type ServerInfo } from '../src/mcp/catalog/catalog.js'
import { Deadlines } from '../src/mcp/exchange/deadlines.js'
import { type EraName, createEndpoint } from '../src/mcp/era-router.js'
import { asAccepted } from '../src/mcp/wire/accept.js'
import { Exchange } from '../src/mcp/exchange/exchange.js'
import { type Endpoint, longestSilenceMs, operationsOf } from '../src/mcp/endpoint.js'
import type { Reply } from '../src/mcp/wire/reply.js'
import type { SessionsOptions } from '../src/mcp/legacy/sessions.js'
import type { Holder } from '../src/mcp/streams/streams.js'
import type { Limits } from '../src/limits/limits.js'
import type { ToolPolicies } from '../src/tools/tool-policies.js'
import { whenRuleFails } from '../src/principal/access.js'
import type { Principal } from '../src/principal/principal.js'
import type { Prompt } from '../src/tools/prompt.js'
import type { Resource } from '../src/tools/resource.js'
import type { Item, Tool } from '../src/tools/tool.js'
import { version } from '../src/version.js'
import { requireWhole } from '../src/lib/require.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** What this endpoint offers; items may come and go while it runs. */
    mcp: Endpoint
  }
  interface FastifyRequest {
    /** What the request asked of the endpoint and what became of it, for a log line; `null` on other routes, and until the body is read. */
    mcpCall: LoggedCall | null
  }
}

/** Knows whether a credential that was good when a stream began is good still. */
export interface CredentialWatch {
  /**
   * One that throws says no. `address` is the caller's, where a stream is open; before, the request
   * itself was judged by it.
   */
  readonly stillGood: (principal: Principal, address?: string) => boolean
  /** Calls `listener` when the answer may be another. Returns how to end that. */
  readonly onChange: (listener: () => void) => () => void
}

export interface McpOptions {
  readonly tools?: readonly Tool[]
  readonly resources?: readonly Resource[]
  readonly prompts?: readonly Prompt[]
  /** Limits and rights of tools, over those they were written with. A name that no tool has stops the boot. */
  readonly toolPolicies?: ToolPolicies
  /** Name and version told to clients. */
  readonly info?: ServerInfo
  /** Told to the client's model when it connects. */
  readonly instructions?: string
  /** Milliseconds that a call may take. Default 60,000. */
  readonly requestTimeoutMs?: number
  /** Bytes of a body. Default 1 MiB. */
  readonly bodyLimit?: number
  /** Default `/mcp`. */
  readonly path?: string
  /** The protocol eras to serve. Default both. */
  readonly eras?: readonly EraName[]
  /** Sessions for clients of the 2025 revisions: `true` for the defaults. Default off, every request stands alone. */
  readonly sessions?: boolean | SessionsOptions
  /** Long-lived streams that one caller may hold. Default 16. */
  readonly maxStreamsPerPrincipal?: number
  /**
   * Signs what callers carry between the rounds of one call; at least 32 bytes, the same on every
   * instance behind one address. Default: random, good for this process; with `mcpAuth` made of `jwtSecret` where there is one.
   */
  readonly stateKey?: Uint8Array
  /** End the streams of credentials that are good no longer. Default none: a stream ends when its credential said it would. */
  readonly watches?: readonly CredentialWatch[]
  /** Where the calls of tools with limits are counted. Default in the memory of this process. */
  readonly limits?: Limits
  /** Takes the running endpoint: `app.mcp` is out of reach where the chain stands in a scope of its own. */
  readonly onEndpoint?: (endpoint: Endpoint) => void
}

export type { Endpoint, LoggedCall }

const methods = ['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS']

const mcp: FastifyPluginAsync<McpOptions> = async (fastify, options) => {
  const {
    tools = [], resources = [], prompts = [], toolPolicies = {}, instructions, info = { name: 'fastify-mcp-auth', version },
    path = '/mcp', requestTimeoutMs = 60_000, bodyLimit = 1024 * 1024, eras, sessions = false, maxStreamsPerPrincipal, stateKey = randomBytes(32), watches = [], limits, onEndpoint
  } = options
  requireWhole('mcp', { requestTimeoutMs, bodyLimit, maxStreamsPerPrincipal, ...(typeof sessions === 'object' ? sessions : {}) })
  const catalog = new Catalog({ info, instructions, tools, resources, prompts, toolPolicies, limits })
  const endpoint = createEndpoint({ catalog, eras, maxStreamsPerPrincipal, stateKey, sessions: sessions === true ? {} : sessions === false ? undefined : sessions })
  const deadlines = new Deadlines()
  /** The refusal of a caller whose credential was good when the request arrived, and is no longer. */
  const overFor = (principal: Principal, address?: string): Refusal | undefined => {
    const { expiresAt = Infinity } = principal
    return expiresAt > Date.now() && watches.every(watch => isGood(watch, principal, address)) ? undefined : noLonger(fastify)
  }
  /** A watch that fails is one that says no: it is asked from timers, too, where its error would end the process. */
  const isGood = (watch: CredentialWatch, principal: Principal, address: string | undefined): boolean => {
    try {
      return watch.stillGood(principal, address)
    } catch (error) {
      fastify.log.error({ err: error, principal: principal.id }, 'a credential watch failed')
      return false
    }
  }
  const place: Place = { fastify, overFor, requestTimeoutMs, deadlines }
  let silenceMs = longestSilenceMs(catalog, requestTimeoutMs)
  const watchRule = ({ name, access }: Item): void => {
    whenRuleFails(access, error => { fastify.log.error({ err: error, item: name }, 'an access rule failed, which counts as no; told once') })
  }
  for (const item of [...tools, ...resources, ...prompts]) watchRule(item)
  const operations = operationsOf(catalog, item => {
    watchRule(item)
    silenceMs = longestSilenceMs(catalog, requestTimeoutMs)
  })
  fastify.decorate('mcp', operations)
  if (!fastify.hasRequestDecorator('mcpCall')) fastify.decorateRequest('mcpCall', null)
  onEndpoint?.(operations)
  for (const watch of watches) {
    const stop = watch.onChange(() => {
      const isOver = ({ principal, address }: Holder): boolean => !isGood(watch, principal, address)
      endpoint.streams.endWhere(open => open.isStanding && isOver(open))
      endCalls(fastify, deadlines, call => call.isStreaming && isOver(call.caller))
      // A moment later: who revokes itself is to hear that it is done.
      setTimeout(() => {
        endpoint.streams.endWhere(isOver)
        endCalls(fastify, deadlines, call => isOver(call.caller))
      }, revokerGraceMs).unref()
    })
    fastify.addHook('onClose', async () => { stop() })
  }
  // Streams would keep the server from closing for ever. It waits for the calls under way, which have their deadlines.
  fastify.addHook('preClose', async () => { endpoint.quiesce() })
  fastify.addHook('onClose', async () => { await endpoint.close() })

  await fastify.register(async scope => {
    registerJsonBody(scope, { bodyLimit })
    const route: Omit<RouteOptions, 'url'> = {
      method: methods,
      exposeHeadRoute: false,
      bodyLimit,
      config: { mcp: true },
      handler: (request, reply) => {
        const refuse = (error: unknown): void => { reply.send(challenged(fastify, error)) }
        try {
          const call = new Call(request, reply, place)
          request.mcpCall = call
          // Again: the body may have taken its time since the credential was verified.
          const over = call.over()
          if (over !== undefined) throw over
          const { socket } = request.raw
          // Node sets it back with the next request.
          if (socket.timeout !== undefined && socket.timeout > 0 && socket.timeout < silenceMs) socket.setTimeout(silenceMs)
          const answer = endpoint.serve(call)
          if (answer instanceof Promise) answer.then(given => { send(reply, asAccepted(given, call.headers.accept)) }).catch(refuse)
          else send(reply, asAccepted(answer, call.headers.accept))
        } catch (error) {
          refuse(error)
        }
      }
    }
    // Both, without a redirect, which would lose the body or the credential.
    for (const url of spellingsOf(path, scope)) scope.route({ ...route, url })
  })
}

/** How long a call that has said nothing yet outlives its credential. */
const revokerGraceMs = 250

function endCalls (fastify: FastifyInstance, deadlines: Deadlines, isOver: (call: Exchange) => boolean): void {
  for (const due of deadlines.pending()) {
    if (due instanceof Exchange && isOver(due)) due.abort(noLonger(fastify))
  }
}

function noLonger (fastify: FastifyInstance): Refusal {
  const headers = fastify.hasDecorator('challengeFor') ? { 'www-authenticate': fastify.challengeFor({ error: 'invalid_token' }) } : {}
  return new UnauthenticatedError({ reason: 'the credential is good no longer', headers })
}

/** Where more scopes would help, the caller hears from whom and which (RFC 6750 §3.1). */
function challenged (fastify: FastifyInstance, error: unknown): unknown {
  if (isRefusal(error) && error.code === InsufficientScopeError.code && fastify.hasDecorator('challengeFor')) {
    const scopes = String(error.data?.scope).split(' ')
    error.headers = { 'www-authenticate': fastify.challengeFor({ error: 'insufficient_scope', scopes }) }
  }
  return error
}

function send (reply: FastifyReply, { status, headers, json, stream }: Reply): void {
  reply.code(status)
  if (headers !== undefined) reply.headers(headers)
  if (json !== undefined) reply.type('application/json; charset=utf-8')
  reply.send(json ?? stream)
}

export default fp(mcp, { name: 'mcp-mcp', fastify: '5.x' })
