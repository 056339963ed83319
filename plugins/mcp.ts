/** The `/mcp` route: hands authenticated requests to the bridge and its replies to Fastify. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { decisionsOf, measuresOf, sayDecisions } from '../src/http/decisions.js'
import { registerJsonBody } from '../src/http/json-body.js'
import { addMeasures, sessionDecisions } from '../src/http/mcp-measures.js'
import { mcpHandler, noLonger } from '../src/http/mcp-handler.js'
import type { LoggedCall } from '../src/http/mcp-request.js'
import { type EndpointRouteOptions, requireFixedPath, requireRouteOptions } from '../src/http/route-options.js'
import { spellingsOf } from '../src/http/trailing-slash.js'
import { UnreadAnswers, type UnreadOptions } from '../src/http/unread.js'
import { isRecord } from '../src/lib/guards.js'
import { requireWhole } from '../src/lib/require.js'
import type { Bus } from '../src/fleet/bus.js'
import type { FreezeGate } from '../src/freeze/freezes.js'
import type { Limits } from '../src/limits/limits.js'
import { Catalog, type ServerInfo } from '../src/mcp/catalog/catalog.js'
import { type Endpoint, longestSilenceMs, operationsOf } from '../src/mcp/endpoint.js'
import { createEndpoint, type EraName } from '../src/mcp/era-router.js'
import type { AfterCall, BeforeCall } from '../src/mcp/catalog/call-hooks.js'
import { Deadlines } from '../src/mcp/exchange/deadlines.js'
import { type Caller, Exchange } from '../src/mcp/exchange/exchange.js'
import { RunningCalls } from '../src/mcp/exchange/running-calls.js'
import type { SessionStores, SessionsOptions } from '../src/mcp/legacy/sessions/sessions.js'
import { type CredentialWatch, CredentialWatches } from '../src/mcp/streams/credential-watch.js'
import { endFrozen } from '../src/mcp/streams/end-frozen.js'
import type { Principal } from '../src/principal/principal.js'
import type { Prompt } from '../src/tools/prompt.js'
import type { Resource } from '../src/tools/resource.js'
import type { AppContext } from '../src/tools/app-context.js'
import type { Item, Tool } from '../src/tools/tool.js'
import type { ToolPolicies } from '../src/tools/tool-policies.js'
import { Tracing } from '../src/telemetry/tracing.js'
import { MemoryOneTimeStore, type OneTimeStore } from '../src/tokens/one-time-store.js'
import { version } from '../src/version.js'

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
  /** Bytes of the result of a tool that has no `maxResultBytes` of its own. Default 1 MiB. */
  readonly resultLimit?: number
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
  /** Names of tools that are added after the start: `toolPolicies` may name them. Default none. */
  readonly laterTools?: readonly string[]
  /** Where the calls of tools with limits are counted. Default in the memory of this process. */
  readonly limits?: Limits
  /** How many bytes of answers may wait for callers that do not read them, and for how long. */
  readonly unread?: UnreadOptions
  /** Between the instances that serve the same endpoint. Default there are no others. */
  readonly bus?: Bus
  /** What may be used once among those instances. Default in the memory of this process. */
  readonly oneTime?: OneTimeStore
  /** Where sessions are kept. Default in the memory of this process. */
  readonly sessionStores?: SessionStores
  /** Fastify's own options of the endpoint's route: `config`, `schema`, `constraints`, `logLevel`. Default none. */
  readonly routeOptions?: EndpointRouteOptions
  /** What the operator switched off. Default nothing is. */
  readonly freezes?: FreezeGate
  /** What handlers find in `context.app`. Default nothing. */
  readonly provide?: AppContext
  /** Runs before each call of a tool that its caller may make, and may refuse it by throwing. More by `endpoint.beforeCall`. */
  readonly beforeCall?: BeforeCall
  /** Told how each call of a tool ended. More by `endpoint.afterCall`. */
  readonly afterCall?: AfterCall
  /** Takes the running endpoint: `app.mcp` is out of reach where the chain stands in a scope of its own. */
  readonly onEndpoint?: (endpoint: Endpoint) => void
}

export type { CredentialWatch, Endpoint, LoggedCall }

const methods = ['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS']

const mcp: FastifyPluginAsync<McpOptions> = async (fastify, options) => {
  const {
    tools = [],
    resources = [],
    prompts = [],
    toolPolicies = {},
    instructions,
    info = { name: 'fastify-mcp-auth', version },
    path = '/mcp',
    requestTimeoutMs = 60_000,
    bodyLimit = 1024 * 1024,
    resultLimit = 1024 * 1024,
    eras,
    sessions = false,
    maxStreamsPerPrincipal,
    stateKey = randomBytes(32),
    watches: given = [],
    limits,
    laterTools = [],
    bus,
    sessionStores,
    oneTime = new MemoryOneTimeStore(),
    freezes,
    unread: unreadOptions,
    provide = {},
    beforeCall,
    afterCall,
    routeOptions = {},
    onEndpoint
  } = options
  // Set by auth, where the app looks keys up.
  const appKeys = fastify.hasDecorator('appKeys') ? fastify.appKeys : null
  const watches = appKeys === null ? given : [...given, appKeys]
  requireRouteOptions(routeOptions)
  requireFixedPath(fastify.prefix + path)
  const sessionsOptions = sessionsOptionsOf(sessions)
  if (!isRecord(provide)) throw new TypeError('`provide` must be an object')
  requireWhole('mcp', { requestTimeoutMs, bodyLimit, resultLimit, maxStreamsPerPrincipal, ...sessionsOptions, ...unreadOptions })
  const reportRule = ({ name }: Item, error: unknown): void => {
    fastify.log.error({ err: error, item: name }, 'an access rule failed, which counts as no; told once')
  }
  const catalog = new Catalog({ info, instructions, tools, resources, prompts, toolPolicies, laterTools, limits, bus, freezes, reportRule, maxResultBytes: resultLimit })
  const endpoint = createEndpoint({
    catalog,
    eras,
    maxStreamsPerPrincipal,
    stateKey,
    spent: oneTime,
    sessions: sessionsOptions,
    sessionStores,
    bus,
    freezes,
    onSession: sessionDecisions(decisionsOf(fastify))
  })
  const running = new RunningCalls()
  const unread = new UnreadAnswers(unreadOptions)
  const credentials = new CredentialWatches({
    watches,
    refusal: () => noLonger(fastify),
    report: (error, { id }) => { fastify.log.error({ err: error, principal: id }, 'a credential watch failed') }
  })
  let silenceMs = longestSilenceMs(catalog, requestTimeoutMs)
  const shared = { deadlines: new Deadlines(), running, app: Object.freeze({ ...provide }) }
  const operations = operationsOf(catalog, {
    taken: () => { silenceMs = longestSilenceMs(catalog, requestTimeoutMs) },
    forget: keyId => { appKeys?.forget(keyId) },
    open: principal => new Exchange(callerInProcess(principal, fastify.log), requestTimeoutMs, shared)
  })
  if (beforeCall !== undefined) operations.beforeCall(beforeCall)
  if (afterCall !== undefined) operations.afterCall(afterCall)
  fastify.decorate('mcp', operations)
  if (!fastify.hasRequestDecorator('mcpCall')) fastify.decorateRequest('mcpCall', null)
  sayDecisions(fastify, 'failures')
  const measures = measuresOf(fastify)
  addMeasures(measures, endpoint, catalog, running)
  let stopTracing = (): void => {}
  const tracing = await Tracing.load(measures, active => { stopTracing = decisionsOf(fastify).observe(active) })
  onEndpoint?.(operations)
  const stopWatching = credentials.follow(endpoint.streams, running)
  const stopFreezing = freezes === undefined ? () => {} : endFrozen(freezes, endpoint.streams, running)
  // Streams would keep the server from closing for ever. It waits for the calls under way, which have their deadlines.
  fastify.addHook('preClose', async () => { endpoint.quiesce() })
  fastify.addHook('onClose', async () => {
    stopWatching()
    stopTracing()
    stopFreezing()
    unread.close()
    await endpoint.close()
  })

  const place = {
    fastify,
    overFor: (principal: Principal, address?: string) => credentials.overFor(principal, address),
    requestTimeoutMs,
    ...shared,
    tracing
  }
  const handler = mcpHandler({ endpoint, place, unread, silenceMs: () => silenceMs })
  await fastify.register(async scope => {
    registerJsonBody(scope, { bodyLimit })
    // Both spellings, without a redirect, which would lose the body or the credential.
    for (const url of spellingsOf(path, scope)) {
      const config = { ...routeOptions.config, mcp: true }
      scope.route({ ...routeOptions, method: methods, url, exposeHeadRoute: false, bodyLimit, config, handler })
    }
  })
}

function sessionsOptionsOf (sessions: boolean | SessionsOptions): SessionsOptions | undefined {
  if (typeof sessions === 'object') return sessions
  return sessions ? {} : undefined
}

/** Whom a call in process is for: there is no request, and no budget. */
function callerInProcess (principal: Principal, log: FastifyBaseLogger): Caller {
  const requestId = randomUUID()
  return { principal, requestId, logger: log.child({ reqId: requestId }), budget: async () => null, charge: async () => {} }
}

export default fp(mcp, { name: 'mcp-mcp', fastify: '5.x' })
