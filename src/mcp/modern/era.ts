/** Protocol revision 2026-07-28, on `@modelcontextprotocol/server`. */
import { type JSONRPCMessage, PerRequestHTTPServerTransport, Server } from '@modelcontextprotocol/server'
import { CancelledError, InvalidRequestError, MethodNotAllowedError, UnknownResourceError } from '../../errors.js'
import type { Catalog } from '../catalog/catalog.js'
import type { Era, McpRequest } from '../era.js'
import { type Dress, WireError, sayTo } from '../slots/answer-text.js'
import { takesStream } from '../wire/accept.js'
import type { Exchange } from '../exchange/exchange.js'
import { Suspended } from '../exchange/suspended.js'
import type { NotifyClient } from '../exchange/caller.js'
import { checkHeaderParameters } from '../catalog/header-parameters.js'
import { forSdk } from '../wire/for-sdk.js'
import { type RpcMessage, type RpcNotification, type RpcRequest, kindOf, severity } from '../wire/messages.js'
import { ReplyWriter, type Reply } from '../wire/reply.js'
import { Slots } from '../slots/pool.js'
import type { Streams } from '../streams/streams.js'
import { SlotResponder } from '../slots/responder.js'
import { type Asker, Asking, type SpentStates } from './input-required.js'
import { type Envelope, checkMeta, checkNotification, modernRevision, openEnvelope, refusalForSdk } from './envelope.js'
import { openSubscription, serverInfoKey } from './subscriptions.js'

export interface ModernOptions {
  readonly catalog: Catalog
  readonly streams: Streams
  /** Signs the state that a caller carries between the rounds of a call; at least 32 bytes. */
  readonly stateKey: Uint8Array
  /** For tools with `once`. */
  readonly spent: SpentStates
}

const classification = { era: 'modern', revision: modernRevision } as const
const stateful: ReadonlySet<string> = new Set()

export function createModernEra ({ catalog, streams, stateKey, spent }: ModernOptions): Era {
  const slots = new Slots({ open: async () => await ModernSlot.open(catalog) })
  catalog.apps.onFirstOrLast(() => { slots.renew() })
  const asking = new Asking(stateKey, spent)

  return {
    serve (incoming) {
      if (incoming.method !== 'POST') throw new MethodNotAllowedError({ headers: { allow: 'POST' } })
      const { body, headers } = incoming
      switch (kindOf(body)) {
        case 'request':
          return serveRequest(body as RpcRequest, incoming)
        case 'notification':
          checkNotification(body as RpcNotification, headers)
          return { status: 202 }
        default:
          throw new InvalidRequestError({ reason: 'neither a request nor a notification' })
      }
    },
    // Nothing to do: a question ends the call, and the answer arrives as a new request.
    quiesce () {},
    async close () { slots.close() },
    gauges: () => ({ ...slots.size, discards: slots.discards })
  }

  function serveRequest (request: RpcRequest, incoming: McpRequest): Reply | Promise<Reply> {
    const envelope = openEnvelope(request, incoming.headers)
    const { method, params = {} } = request
    if (method === 'tools/call') {
      const called = typeof params.name === 'string' ? catalog.tools.get(params.name) : undefined
      // For a hidden tool, the refusal would reveal that it exists and the names of its arguments.
      if (called !== undefined && catalog.rights.sees(incoming.principal, called.item)) {
        checkHeaderParameters(called.headers, params.arguments, incoming.headers)
      }
    }
    const mayStream = takesStream(incoming.headers.accept)
    const exchange = incoming.open()
    exchange.begin(method, params, request.id)
    if (method === 'subscriptions/listen') {
      try {
        checkMeta(request)
        return openSubscription(request, exchange, catalog, streams)
      } finally {
        exchange.end()
      }
    }
    const writer = new ReplyWriter({ mayStream })
    // A closed connection is a cancellation (MCP 2026-07-28, Transports).
    incoming.onGone(() => { exchange.abort(new CancelledError({ reason: 'the caller disconnected' })) })
    const say = sayTo(writer, exchange)
    const notify: NotifyClient = async (name, about) => {
      if (name !== 'notifications/message' || audible(about.level, envelope)) await say(name, about)
    }
    // Values that are available are not awaited: every promise on this path slows every call.
    const begin = (slot: ModernSlot): Promise<Reply> => {
      slot.serve(request, exchange, writer, clean => { slots.give(slot, clean) })
      return writer.reply
    }
    const fail = (error: unknown): never => {
      exchange.end()
      throw error
    }
    const take = (asker: Asker | undefined): Promise<Reply> => {
      exchange.connect({ notify, ...asker })
      const slot = slots.take()
      return slot instanceof Promise ? slot.then(begin).catch(fail) : begin(slot)
    }
    try {
      const isOnce = method === 'tools/call' && catalog.tools.get(String(params.name))?.item.once === true
      const asker = asking.askerFor(request, exchange, envelope, isOnce)
      return asker instanceof Promise ? asker.then(take).catch(fail) : take(asker)
    } catch (error) {
      return fail(error)
    }
  }
}

/** Without a level in the request's `_meta`, no log messages are sent to the caller. */
function audible (level: unknown, { logLevel }: Envelope): boolean {
  return logLevel !== undefined && severity(level) >= severity(logLevel)
}

/**
 * An SDK server on a transport that passes its answer straight to a writer. The class of its transport binds
 * the server to this revision; the SDK's own transport serves only one request.
 */
class ModernSlot extends PerRequestHTTPServerTransport {
  readonly responder: SlotResponder
  #deliver: Deliver = (request, extra) => { this.onmessage?.(request, extra) }

  private constructor (catalog: Catalog) {
    super({ classification })
    const dress: Dress = result => ({ resultType: 'complete', ...result, _meta: { [serverInfoKey]: catalog.info } })
    this.responder = new SlotResponder({
      stateful,
      revision: { unknownMethodStatus: 404, dress },
      refusalFor: refusalForSdk
    })
  }

  static async open (catalog: Catalog): Promise<ModernSlot> {
    const slot = new ModernSlot(catalog)
    const server = createServer(catalog, slot.responder)
    await server.connect(slot)
    slot.#deliver = directTo(server) ?? slot.#deliver
    return slot
  }

  /** Serves one request and calls `done` once, with whether this slot may serve another one. */
  serve (request: RpcRequest, exchange: Exchange, writer: ReplyWriter, done: (clean: boolean) => void): void {
    this.responder.begin({ request, exchange, writer, done })
    this.#deliver(forSdk(request), { classification })
  }

  override async start (): Promise<void> {}

  override async send (message: JSONRPCMessage): Promise<void> {
    this.responder.settle(message as RpcMessage)
  }

  override async close (): Promise<void> {
    this.responder.drop()
    this.onclose?.()
  }
}

function createServer (catalog: Catalog, responder: SlotResponder): Server {
  const { info, instructions } = catalog
  const server = new Server(info, {
    capabilities: catalog.capabilities(true),
    supportedProtocolVersions: [modernRevision],
    ...(instructions === undefined ? {} : { instructions })
  })
  // The SDK gets only the parts of the request that it reads.
  server.fallbackRequestHandler = async () => {
    const { current } = responder
    if (current === undefined) throw new Error('a request outside an exchange')
    const { exchange, request: { method, params = {} } } = current
    try {
      return await catalog.dispatch(method, params, exchange)
    } catch (error) {
      if (Suspended.is(error)) return error.result
      const refusal = exchange.refuse(error)
      throw new WireError(
        refusal,
        exchange.caller.requestId,
        refusal instanceof UnknownResourceError ? -32602 : undefined
      )
    }
  }
  return server
}

type Deliver = (request: RpcRequest, extra?: { classification: typeof classification }) => void

/**
 * Calls the SDK server directly instead of its transport's `onmessage`, which first parses each message as a
 * response and discards two schema errors per request. `kindOf` already knows the kind of
 * the message. `undefined` if an SDK version has no such method; `onmessage` is used then.
 */
function directTo (server: object): Deliver | undefined {
  const onrequest: unknown = Reflect.get(server, '_onrequest')
  return typeof onrequest === 'function'
    ? (request, extra) => {
        Reflect.apply(onrequest, server, [request, extra])
      }
    : undefined
}
