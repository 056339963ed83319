/** The `/mcp` route: hands authenticated requests to the bridge and its replies to Fastify. */
import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { InsufficientScopeError, isRefusal, type Refusal, UnauthenticatedError } from '../src/errors.js'
import { registerJsonBody } from '../src/json-body.js'
import { Catalog, type ServerInfo } from '../src/mcp/catalog.js'
import { Deadlines } from '../src/mcp/deadlines.js'
import { type EraName, createEndpoint } from '../src/mcp/endpoint.js'
import { type Incoming, asAccepted } from '../src/mcp/era.js'
import { type Caller, Exchange, type Log } from '../src/mcp/exchange.js'
import { fieldsOf, type MessageFields } from '../src/mcp/log-fields.js'
import type { Reply } from '../src/mcp/outlet.js'
import { requireWhole } from '../src/mcp/shelf.js'
import type { SessionsOptions } from '../src/mcp/legacy/sessions.js'
import type { Holder } from '../src/mcp/streams.js'
import type { ToolPolicies } from '../src/tools/policies.js'
import { whenRuleFails } from '../src/principal/policy.js'
import type { Principal } from '../src/principal/principal.js'
import type { Prompt } from '../src/tools/prompt.js'
import type { Resource } from '../src/tools/resource.js'
import type { Budget, Item, Tool } from '../src/tools/tool.js'
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

/** What a log may say of a call. No arguments, and nothing of a result. */
export interface LoggedCall {
  readonly fields: MessageFields
  /** `ok`, `tool-error` or the code of a refusal; of a batch the first that is not `ok`. `undefined` while there is no answer. A request refused as a whole has its code in `request.refusal`. */
  readonly outcome: string | undefined
}

/** What the host may do with a running endpoint. */
export interface Endpoint {
  /** Throws where the item can't be served; nothing is added then. */
  addTool: (tool: Tool) => void
  addResource: (resource: Resource) => void
  addPrompt: (prompt: Prompt) => void
  /** False where there is no such item. */
  removeTool: (name: string) => boolean
  removeResource: (uri: string) => boolean
  removePrompt: (name: string) => boolean
  /** Tells subscribers that the resource at `uri` has other contents now. */
  resourceUpdated: (uri: string) => void
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
  /** Takes the running endpoint: `app.mcp` is out of reach where the chain stands in a scope of its own. */
  readonly onEndpoint?: (endpoint: Endpoint) => void
}

const methods = ['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS']

const mcp: FastifyPluginAsync<McpOptions> = async (fastify, options) => {
  const {
    tools = [], resources = [], prompts = [], toolPolicies = {}, instructions, info = { name: 'fastify-mcp-auth', version },
    path = '/mcp', requestTimeoutMs = 60_000, bodyLimit = 1024 * 1024, eras, sessions = false, maxStreamsPerPrincipal, stateKey = randomBytes(32), watches = [], onEndpoint
  } = options
  requireWhole('mcp', { requestTimeoutMs, bodyLimit, maxStreamsPerPrincipal, ...(typeof sessions === 'object' ? sessions : {}) })
  const catalog = new Catalog({ info, instructions, tools, resources, prompts, toolPolicies })
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
      endpoint.streams.endWhere(isOver)
      endCalls(fastify, deadlines, call => call.isStreaming && isOver(call.caller))
      // A moment later: who revokes itself is to hear that it is done.
      setTimeout(() => { endCalls(fastify, deadlines, call => isOver(call.caller)) }, revokerGraceMs).unref()
    })
    fastify.addHook('onClose', async () => { stop() })
  }
  // Streams would keep the server from closing for ever. It waits for the calls under way, which have their deadlines.
  fastify.addHook('preClose', async () => { endpoint.quiesce() })
  fastify.addHook('onClose', async () => { await endpoint.close() })

  await fastify.register(async scope => {
    registerJsonBody(scope, { bodyLimit })
    scope.route({
      method: methods,
      url: path,
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
          if (answer instanceof Promise) answer.then(given => { send(reply, asAccepted(given, call)) }).catch(refuse)
          else send(reply, asAccepted(answer, call))
        } catch (error) {
          refuse(error)
        }
      }
    })
  })
}

/** What every call of an endpoint shares. */
interface Place {
  readonly fastify: FastifyInstance
  readonly overFor: (principal: Principal, address?: string) => Refusal | undefined
  readonly requestTimeoutMs: number
  readonly deadlines: Deadlines
}

/** A request of Fastify's as the bridge sees it, with its caller. */
class Call implements Incoming, Caller, LoggedCall {
  readonly principal: Principal
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #place: Place
  #exchange: Exchange | undefined
  /** The others of a batch. */
  #more: Exchange[] | undefined

  /** Throws where no plugin put a principal on the request: an endpoint without one is closed. */
  constructor (request: FastifyRequest, reply: FastifyReply, place: Place) {
    const { principal } = request
    if (!principal) throw new UnauthenticatedError({ reason: 'no plugin authenticated this request' })
    this.principal = principal
    this.#request = request
    this.#reply = reply
    this.#place = place
  }

  get method (): string { return this.#request.method }
  get headers (): FastifyRequest['headers'] { return this.#request.headers }
  get body (): unknown { return this.#request.body }
  get address (): string { return this.#request.ip }
  get requestId (): string { return this.#request.id }
  get log (): Log { return this.#request.log }

  open (): Exchange {
    const exchange = new Exchange(this, this.#place.requestTimeoutMs, this.#place.deadlines)
    if (this.#exchange === undefined) this.#exchange = exchange
    else (this.#more ??= []).push(exchange)
    return exchange
  }

  get fields (): MessageFields { return fieldsOf(this.#request.body) }

  get outcome (): string | undefined {
    const first = this.#exchange === undefined ? 'ok' : this.#exchange.outcome
    return first !== 'ok' || this.#more === undefined ? first : this.#more.find(({ outcome }) => outcome !== 'ok')?.outcome ?? first
  }

  over (): Refusal | undefined {
    return this.#place.overFor(this.principal, this.address)
  }

  budget (): Promise<Budget | null> {
    const { fastify } = this.#place
    return fastify.hasDecorator('budgetOf') ? fastify.budgetOf(this.#request) : Promise.resolve(null)
  }

  async charge (cost: number): Promise<void> {
    const { fastify } = this.#place
    if (fastify.hasDecorator('chargePrincipal')) await fastify.chargePrincipal(this.#request, this.#reply, cost)
  }

  onGone (listener: () => void): void {
    const { raw } = this.#reply
    // A caller may leave while its request is judged: nothing tells of that a second time.
    if (raw.destroyed) listener()
    else raw.on('close', () => { if (!raw.writableFinished) listener() })
  }
}

/** What Node's timers can hold. */
const longestTimerMs = 2 ** 31 - 1

/** How long a caller may have to wait for the first byte of an answer, which is then on its way. */
function longestSilenceMs ({ tools, resources, prompts }: Catalog, requestTimeoutMs: number): number {
  let longest = requestTimeoutMs
  for (const shelf of [tools, resources.fixed, resources.templates, prompts]) {
    for (const { item: { deadlineMs = 0 } } of shelf.values()) longest = Math.max(longest, deadlineMs)
  }
  return Math.min(longestTimerMs, longest + 10_000)
}

function operationsOf ({ tools, resources, prompts, changes }: Catalog, taken: (item: Item) => void): Endpoint {
  const came = (kind: 'tools' | 'resources' | 'prompts', item: Item): void => {
    taken(item)
    changes.publish({ kind, item })
  }
  /** False where there was no such item. */
  const gone = (kind: 'tools' | 'resources' | 'prompts', item: Item | undefined): boolean => item !== undefined && changes.publish({ kind, item })
  return {
    addTool: tool => { came('tools', tools.put(tool)) },
    addResource: resource => { came('resources', resources.put(resource)) },
    addPrompt: prompt => { came('prompts', prompts.put(prompt)) },
    removeTool: name => gone('tools', tools.remove(name)),
    removeResource: uri => gone('resources', resources.remove(uri)),
    removePrompt: name => gone('prompts', prompts.remove(name)),
    resourceUpdated: uri => { changes.publish({ kind: 'resource', uri }) }
  }
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
