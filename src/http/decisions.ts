/** Emits the decision event of a request, once the answer is sent and each of its messages has ended. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Refusal } from '../errors.js'
import { faultOf } from '../to-refusal.js'
import { loggable } from '../log/serialize-error.js'
import type { Exchange } from '../mcp/exchange/exchange.js'
import { fieldsOf, type MessageFields, printable } from '../mcp/wire/log-fields.js'
import type { CallArguments, Decision } from '../telemetry/decision.js'
import { decisionKindOf, outcomeOf, reasonClassOf, whoOf } from '../telemetry/classify.js'
import { Decisions } from '../telemetry/decisions.js'
import type { Lines } from '../telemetry/log-line.js'
import { Measures } from '../telemetry/measures.js'
import { ipOf } from './request/client-address.js'
import { pathOf } from './request/logged-path.js'
import { FastifyMcpRequest } from './request/mcp-request.js'
import { principalOn } from './request/request-caller.js'
import { configOf } from './request/route-config.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Emits the decisions about callers, and takes observers. */
    decisions: Decisions
    /** Numbers that parts of the server report for metrics. */
    measures: Measures
  }
}

const isWatched = 'decisionsAreEmitted'

/** The decisions of a scope, inherited from an outer scope if that has them. */
export function decisionsOf (fastify: FastifyInstance): Decisions {
  if (!fastify.hasDecorator('decisions')) fastify.decorate('decisions', new Decisions(fastify.log))
  return fastify.decisions
}

/** The measures of a scope, inherited from an outer scope if that has them. */
export function measuresOf (fastify: FastifyInstance): Measures {
  if (!fastify.hasDecorator('measures')) fastify.decorate('measures', new Measures())
  return fastify.measures
}

/**
 * Emits a decision for each request of this scope. `lines`: which of them are logged. `onArrival` is called
 * with each request, in the same hook.
 */
export function emitDecisions (
  fastify: FastifyInstance,
  lines: Lines,
  onArrival?: (request: FastifyRequest, reply: FastifyReply) => void
): void {
  decisionsOf(fastify)
  const isFollowed = fastify.hasDecorator(isWatched)
  if (!isFollowed) fastify.decorate(isWatched, lines)
  else if (onArrival === undefined) return
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!isFollowed) follow(request, reply, lines)
    onArrival?.(request, reply)
    done()
  })
}

/** When a request began, by `performance.now()`. A request with this property gets a decision. */
const startedAt = Symbol('when the request began')

interface TimedRequest {
  [startedAt]?: number
}

/** Fastify 5.0 has no `getDecorator`. */
function linesOf (fastify: FastifyInstance): Lines {
  return (fastify as FastifyInstance & { [isWatched]: Lines })[isWatched]
}

/** For a request that an earlier hook refused. Does nothing if our hook has seen the request. */
export function emitDecisionIfMissed (request: FastifyRequest, reply: FastifyReply): void {
  const { server } = request
  if (server.hasDecorator(isWatched)) follow(request, reply, linesOf(server))
}

function follow (request: FastifyRequest & TimedRequest, reply: FastifyReply, lines: Lines): void {
  if (request[startedAt] !== undefined) return
  request[startedAt] = performance.now()
  ipOf(request)
  const { raw } = reply
  let isOver = false
  const end = (isCut: boolean): void => {
    if (!isOver) emitWhenEnded(request, reply, isCut, lines)
    isOver = true
  }
  // Not `once`, which wraps each listener: neither event is emitted twice.
  // Node also emits `finish` for an answer whose connection was cut in the meantime.
  raw.on('finish', () => { end(request.raw.socket?.destroyed === true) })
  raw.on('close', () => { end(true) })
}

/** For an answer that no hook saw. */
export function emitDecision (request: FastifyRequest, reply: FastifyReply, refusal: Refusal): void {
  const { server } = request
  if (server.hasDecorator('decisions')) {
    server.decisions.note(decisionOf(request, reply, false, noFields, refusal), request.log)
  }
}

/** For a call by the app itself, which has no request, address or credential. */
export function emitCallInProcess (fastify: FastifyInstance, exchange: Exchange): void {
  const { caller: { principal, requestId }, method, params, why, outcome: result = 'ok', fault } = exchange
  const fields = fieldsOf({ method, params })
  const { credential: _, ...who } = whoOf(principal)
  const lines = fastify.hasDecorator(isWatched) ? linesOf(fastify) : 'failures'
  decisionsOf(fastify).note({
    kind: decisionKindOf(why?.code, false, true),
    outcome: outcomeOf(why?.code, result),
    at: Date.now(),
    requestId,
    ...who,
    method: fields.rpc,
    itemKind: itemKindOf(fields),
    item: fields.tool,
    span: exchange.span,
    arguments: params === undefined ? undefined : () => argumentsOf(exchange),
    result,
    code: why?.code,
    why: why === undefined ? undefined : reasonClassOf(why.code, why.why),
    reason: why?.reason,
    ms: exchange.ms,
    fault: fault === undefined ? undefined : loggable(fault),
    about: { ...why?.about, inProcess: true }
  }, exchange.caller.logger ?? fastify.log, lines)
}

/** A call in a session may outlive the answer to its request: the caller reconnects for the rest. */
function emitWhenEnded (request: FastifyRequest, reply: FastifyReply, isCut: boolean, lines: Lines): void {
  const exchanges = exchangesOf(request)
  // The usual case: every message has ended, so nothing has to be awaited.
  if (exchanges.every(({ ended }) => ended)) return emitNow(request, reply, isCut, lines)
  let open = 1
  const oneLess = (): void => {
    open -= 1
    if (open === 0) emitNow(request, reply, isCut, lines)
  }
  for (const exchange of exchanges) {
    if (exchange.ended) continue
    open += 1
    exchange.whenEnded(oneLess)
  }
  oneLess()
}

function emitNow (request: FastifyRequest, reply: FastifyReply, isCut: boolean, lines: Lines): void {
  const { decisions } = request.server
  const { body, log, refusal, mcpCall } = request
  const exchanges = exchangesOf(request)
  const fields = mcpCall?.fields ?? noFields
  const decision = decisionOf(request, reply, isCut, fields, refusal ?? undefined, exchanges[0])
  if (refusal != null && mcpCall instanceof FastifyMcpRequest) endSpans(mcpCall.exchanges, decision)
  const size = fields.batch ?? (Array.isArray(body) ? body.length : undefined)
  if (size === undefined) return decisions.note(decision, log, lines)
  const batch = { size, result: refusal?.code ?? mcpCall?.outcome }
  decisions.note({ ...decision, batch: { ...batch, index: 0 } }, log, lines)
  for (const [at, exchange] of exchanges.slice(1).entries()) {
    const other = decisionOf(request, reply, isCut, fields, undefined, exchange)
    decisions.note({ ...other, ms: exchange.ms, batch: { ...batch, index: at + 1 } }, log, lines)
  }
}

/** Ends the spans of messages that were refused with their whole request: these have no decision of their own. */
function endSpans (exchanges: readonly Exchange[], decision: Decision): void {
  for (const { span, method } of exchanges) span?.end({ ...decision, method })
}

const noFields: MessageFields = {}
const noExchanges: readonly Exchange[] = []

/** The exchanges of a request. Empty if the request was refused as a whole. */
function exchangesOf ({ refusal, mcpCall }: FastifyRequest): readonly Exchange[] {
  return refusal == null && mcpCall instanceof FastifyMcpRequest ? mcpCall.exchanges : noExchanges
}

/**
 * The decision about a request, or about one of its messages. One object literal, because every call passes
 * here.
 */
function decisionOf (
  request: FastifyRequest,
  reply: FastifyReply,
  isCut: boolean,
  ofBody: MessageFields,
  refusal: Refusal | undefined,
  exchange?: Exchange
): Decision {
  const { mcpCall } = request
  const said = refusal ?? exchange?.why
  const code = said?.code
  const isCall = mcpCall != null
  const result = isCall ? refusal?.code ?? (exchange ?? mcpCall).outcome : undefined
  const fields = ofBody.batch === undefined || exchange?.method === undefined ? ofBody : fieldsOf(exchange)
  const { principal, credential, keyId, tokenId, oauthClient } = whoOf(principalOn(request), said?.about)
  const { statusCode: status } = reply
  const fault = refusal === undefined ? exchange?.fault : faultOf(refusal)
  return {
    kind: decisionKindOf(code, refusal !== undefined, ofBody.rpc !== undefined || exchange !== undefined),
    outcome: outcomeOf(code, result ?? (isCut ? 'cut' : 'ok')),
    at: Date.now(),
    requestId: request.id,
    // A trusted proxy may forward an address that a caller wrote.
    address: printable(ipOf(request)),
    principal,
    credential,
    keyId,
    tokenId,
    oauthClient,
    era: mcpCall?.era,
    revision: isCall ? printable(request.headers['mcp-protocol-version']) : undefined,
    client: mcpCall?.client,
    method: fields.rpc,
    itemKind: itemKindOf(fields),
    item: fields.tool ?? fields.prompt ?? fields.uri,
    span: exchange?.span ?? (mcpCall instanceof FastifyMcpRequest ? mcpCall.span : undefined),
    arguments: exchange?.params === undefined ? undefined : () => argumentsOf(exchange),
    result,
    code,
    why: code === undefined ? undefined : reasonClassOf(code, said?.why),
    reason: said?.reason,
    ms: msOf(request),
    http: {
      method: request.method,
      path: pathOf(request.originalUrl, request.is404),
      status,
      isCut,
      isGoodProbe: status < 400 && configOf(request)?.probe === true
    },
    fault: fault === undefined ? undefined : loggable(fault),
    cause: said?.cause === undefined ? undefined : loggable(said.cause),
    about: said?.about
  }
}

/** Does not use Fastify's `elapsedTime`, which is 0 in an app without a logger. */
function msOf (request: FastifyRequest & TimedRequest): number {
  return performance.now() - (request[startedAt] ?? performance.now())
}

function itemKindOf ({ tool, prompt, uri }: MessageFields): Decision['itemKind'] {
  if (tool !== undefined) return 'tool'
  if (prompt !== undefined) return 'prompt'
  return uri === undefined ? undefined : 'resource'
}

function argumentsOf ({ params, loggable }: Exchange): CallArguments {
  return { values: params?.arguments, loggable }
}
