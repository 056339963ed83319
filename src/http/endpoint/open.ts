/**
 * Opens an endpoint in a Fastify scope: creates the catalog, the eras, the credential watches, and the
 * handler of its route.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ForgetEverywhere } from '../../app-keys/forget-everywhere.js'
import { isRecord } from '../../lib/guards.js'
import { requireWhole } from '../../lib/require.js'
import { Catalog } from '../../mcp/catalog/catalog.js'
import { type Endpoint, longestSilenceMs, operationsOf } from '../../mcp/endpoint.js'
import { createEndpoint } from '../../mcp/era-router.js'
import { Deadlines } from '../../mcp/exchange/deadlines.js'
import { Exchange } from '../../mcp/exchange/exchange.js'
import type { Caller } from '../../mcp/exchange/caller.js'
import { RunningCalls } from '../../mcp/exchange/running-calls.js'
import type { SessionsOptions } from '../../mcp/legacy/sessions/sessions.js'
import { CredentialWatches } from '../../mcp/streams/credential-watch.js'
import { endFrozen } from '../../mcp/streams/end-frozen.js'
import type { Principal } from '../../principal/principal.js'
import { Tracing } from '../../telemetry/tracing.js'
import { MemoryOneTimeStore } from '../../tokens/one-time-store.js'
import type { Item } from '../../tools/tool.js'
import { decisionsOf, measuresOf, emitCallInProcess } from '../decisions.js'
import { mcpHandler, noLonger } from './handler.js'
import { addMeasures, sessionDecisions } from './measures.js'
import { defaultInfo } from '../server-info.js'
import type { McpOptions } from './options.js'
import { UnreadAnswers } from './unread.js'

export interface OpenEndpoint {
  readonly operations: Endpoint
  readonly handler: (request: FastifyRequest, reply: FastifyReply) => void
  /** Ends streams, which would never end by themselves. Running calls continue to their answers. */
  readonly quiesce: () => void
  readonly close: () => Promise<void>
}

/** Throws a `TypeError` or `RangeError` for an invalid option. */
export async function openEndpoint (fastify: FastifyInstance, options: McpOptions): Promise<OpenEndpoint> {
  const {
    tools = [],
    resources = [],
    prompts = [],
    apps = [],
    toolPolicies = {},
    instructions,
    info = defaultInfo,
    requestTimeoutMs = 60_000,
    resultLimit = 1024 * 1024,
    eras,
    sessions = false,
    maxStreamsPerPrincipal,
    stateKey = randomBytes(32),
    watches: given = [],
    limits,
    laterTools = () => false,
    bus,
    sessionStores,
    oneTime = new MemoryOneTimeStore(),
    freezes,
    unread: unreadOptions,
    provide = {},
    beforeCall,
    afterCall
  } = options
  // Set by the auth plugin if the app verifies keys itself.
  const appKeys = fastify.hasDecorator('appKeys') ? fastify.appKeys : null
  const forgotten = appKeys === null
    ? undefined
    : new ForgetEverywhere({ bus, forget: keyId => { appKeys.forget(keyId) } })
  const watches = appKeys === null ? given : [...given, appKeys]
  const sessionsOptions = sessionsOptionsOf(sessions)
  if (!isRecord(provide)) throw new TypeError('`provide` must be an object')
  requireWhole('mcp', {
    requestTimeoutMs,
    bodyLimit: options.bodyLimit,
    resultLimit,
    maxStreamsPerPrincipal,
    ...sessionsOptions,
    ...unreadOptions
  })
  const reportRule = ({ name }: Item, error: unknown): void => {
    fastify.log.error({ err: error, item: name }, 'an access rule failed, which counts as false; logged once')
  }
  const catalog = new Catalog({
    info,
    instructions,
    tools,
    resources,
    prompts,
    apps,
    toolPolicies,
    laterTools,
    limits,
    bus,
    freezes,
    reportRule,
    securitySchemes: options.securitySchemes,
    maxResultBytes: resultLimit
  })
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
  const measures = measuresOf(fastify)
  let stopTracing = (): void => {}
  const tracing = await Tracing.load({
    measures,
    log: fastify.log,
    onActive: active => { stopTracing = decisionsOf(fastify).observe(active) }
  })
  const shared = { deadlines: new Deadlines(), running, app: Object.freeze({ ...provide }), tracing }
  const operations = operationsOf(catalog, {
    taken: () => { silenceMs = longestSilenceMs(catalog, requestTimeoutMs) },
    forget: keyId => { forgotten?.forget(keyId) },
    open: principal => new Exchange(callerInProcess(principal, fastify.log), requestTimeoutMs, shared),
    over: exchange => { emitCallInProcess(fastify, exchange) }
  })
  if (beforeCall !== undefined) operations.beforeCall(beforeCall)
  if (afterCall !== undefined) operations.afterCall(afterCall)
  addMeasures(measures, endpoint, catalog, running)
  const stopWatching = credentials.follow(endpoint.streams, running)
  const stopFreezing = freezes === undefined ? () => {} : endFrozen(freezes, endpoint.streams, running)
  const place = {
    fastify,
    overFor: (principal: Principal, address?: string) => credentials.overFor(principal, address),
    requestTimeoutMs,
    ...shared
  }
  return {
    operations,
    handler: mcpHandler({ endpoint, place, unread, silenceMs: () => silenceMs }),
    quiesce: () => { endpoint.quiesce() },
    async close () {
      stopWatching()
      stopTracing()
      stopFreezing()
      forgotten?.close()
      catalog.changes.close()
      unread.close()
      await endpoint.close()
    }
  }
}

function sessionsOptionsOf (sessions: boolean | SessionsOptions): SessionsOptions | undefined {
  if (typeof sessions === 'object') return sessions
  return sessions ? {} : undefined
}

/** The caller of a call in process, which has no request and no budget. */
function callerInProcess (principal: Principal, log: FastifyBaseLogger): Caller {
  const requestId = randomUUID()
  return {
    principal,
    requestId,
    logger: log.child({ reqId: requestId }),
    budget: async () => null,
    charge: async () => {}
  }
}
