/**
 * Protocol revisions up to 2025-11-25, on `@modelcontextprotocol/sdk`, which is imported only in this
 * directory.
 */
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { InitializeRequestSchema, type JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import {
  CancelledError,
  InvalidParamsError,
  InvalidRequestError,
  MethodNotAllowedError,
  ProtocolVersionError
} from '../../errors.js'
import type { Catalog } from '../catalog/catalog.js'
import type { Era, McpRequest } from '../era.js'
import { sayTo } from '../slots/answer-text.js'
import { takesStream } from '../wire/accept.js'
import type { Exchange } from '../exchange/exchange.js'
import { forSdk } from '../wire/for-sdk.js'
import { type RpcMessage, type RpcRequest, batchRevision, isModest, kindOf, severity } from '../wire/messages.js'
import { ReplyWriter, type Reply } from '../wire/reply.js'
import { Slots } from '../slots/pool.js'
import type { Streams } from '../streams/streams.js'
import { type AnswerForm, Responder, SlotResponder } from '../slots/responder.js'
import { createServer } from './sdk-server.js'
import { withServedRevision, served } from './revisions.js'
import { type SessionListener, type SessionStores, Sessions, type SessionsOptions } from './sessions/sessions.js'
import type { Bus } from '../../fleet/bus.js'
import { InProcessBus } from '../../fleet/in-process-bus.js'
import { after } from '../../lib/eventually.js'
import { isRecord } from '../../lib/guards.js'

/** The revision of a client that sends no header (MCP 2025-11-25, Transports, Protocol Version Header). */
const assumedRevision = '2025-03-26'
const maxBatch = 100
/** Protocol methods, which the SDK handles. All others go to the catalog, because the SDK would only pass them on. */
const bySdk = new Set(['initialize', 'ping', 'logging/setLevel'])
const stateful = new Set(['initialize', 'logging/setLevel'])
/** Revisions before 2026-07-28 answer an unknown method with status 200. */
const answerForm: AnswerForm = { unknownMethodStatus: 200 }

const accepted: Reply = { status: 202 }

export interface LegacyOptions {
  readonly catalog: Catalog
  readonly streams: Streams
  /** Revisions that another era serves at this endpoint; listed in the refusal of an unknown revision. */
  readonly alsoServed?: readonly string[]
  /** Default: no sessions, every request is independent. */
  readonly sessions?: SessionsOptions | undefined
  /** Where sessions are stored. Default: in this process. */
  readonly stores?: SessionStores | undefined
  /** Between the instances that serve the same sessions. */
  readonly bus?: Bus | undefined
  /** Notified when sessions begin and end. */
  readonly onSession?: SessionListener | undefined
}

export function createLegacyEra ({
  catalog,
  streams,
  alsoServed = [],
  sessions: options,
  stores,
  bus = new InProcessBus(),
  onSession
}: LegacyOptions): Era {
  const slots = new Slots({ open: async () => await LegacySlot.open(catalog, false) })
  /** The same for sessions, where changes can be announced as they happen. */
  const liveSlots = new Slots({ open: async () => await LegacySlot.open(catalog, true) })
  catalog.apps.onFirstOrLast(() => {
    slots.renew()
    liveSlots.renew()
  })
  const initialize = async (request: RpcRequest, incoming: McpRequest): Promise<Reply> => {
    const writer = new ReplyWriter()
    await serveBySdk(request, incoming.open(), writer, liveSlots)
    return await writer.reply
  }
  const sessions =
    options === undefined
      ? undefined
      : new Sessions({ catalog, streams, bus, initialize, onSession, ...stores }, options)

  function serveOne (request: RpcRequest, exchange: Exchange, writer: ReplyWriter): void | Promise<void> {
    if (bySdk.has(request.method)) return serveBySdk(request, exchange, writer)
    exchange.connect({ notify: sayTo(writer, exchange) })
    const { method, params = {} } = request
    exchange.begin(method, params, request.id)
    new Responder({ request, exchange, writer, revision: answerForm }).follow(
      catalog.dispatch(method, params, exchange)
    )
  }

  async function serveBySdk (
    request: RpcRequest,
    exchange: Exchange,
    writer: ReplyWriter,
    pool = slots
  ): Promise<void> {
    exchange.begin(request.method, request.params ?? {}, request.id)
    try {
      const slot = await pool.take()
      slot.serve(request, exchange, writer, clean => {
        pool.give(slot, clean)
      })
    } catch (error) {
      exchange.end()
      throw error
    }
  }

  async function serveBatch (
    batch: readonly unknown[],
    incoming: McpRequest,
    mayStream: boolean
  ): Promise<Reply> {
    const requests: RpcRequest[] = []
    for (const message of batch) if (kindOf(message) === 'request') requests.push(message as RpcRequest)
    if (batch.length > 1) await incoming.charge(batch.length - 1)
    if (requests.length === 0) return accepted
    const writer = new ReplyWriter({ expected: requests.length, batch: true, mayStream })
    const calls = requests.map(request => ({ request, exchange: incoming.open() }))
    // One listener for all: Node warns about more than ten.
    incoming.onGone(() => {
      for (const { exchange } of calls) leave(exchange)
    })
    try {
      for (const { request, exchange } of calls) await serveOne(request, exchange, writer)
    } catch (error) {
      for (const { exchange } of calls) exchange.end()
      throw error
    }
    return await writer.reply
  }

  /** Without a session. */
  function serveAlone (incoming: McpRequest): Reply | Promise<Reply> {
    if (incoming.method !== 'POST') throw new MethodNotAllowedError({ headers: { allow: 'POST' } })
    const mayStream = takesStream(incoming.headers.accept)
    const { body } = incoming
    if (Array.isArray(body)) return serveBatch(body, incoming, mayStream)
    switch (kindOf(body)) {
      case 'request': {
        const writer = new ReplyWriter({ mayStream })
        const exchange = incoming.open()
        incoming.onGone(() => {
          leave(exchange)
        })
        const begun = serveOne(body as RpcRequest, exchange, writer)
        return begun === undefined ? writer.reply : begun.then(() => writer.reply)
      }
      // Without a session, notifications and answers have no effect.
      case 'notification':
      case 'response':
        return accepted
      default:
        throw new InvalidRequestError({ reason: 'not a JSON-RPC message' })
    }
  }

  return {
    serve (incoming) {
      const revision = revisionOf(incoming, alsoServed)
      checkBatch(incoming.body, revision)
      if (Array.isArray(incoming.body)) incoming.body.forEach(checkForSdk)
      else checkForSdk(incoming.body)
      return sessions === undefined
        ? serveAlone(incoming)
        : after(sessions.serve(incoming), reply => reply ?? serveAlone(incoming))
    },
    quiesce () {
      sessions?.quiesce()
    },
    async close () {
      slots.close()
      liveSlots.close()
      await sessions?.close()
    },
    gauges: () => ({
      idle: slots.size.idle + liveSlots.size.idle,
      busy: slots.size.busy + liveSlots.size.busy,
      discards: slots.discards + liveSlots.discards,
      sessions: sessions?.size
    })
  }
}

function leave (exchange: Exchange): void {
  exchange.abort(new CancelledError({ reason: 'the caller disconnected' }))
}

/** Throws if the body is a batch and the revision does not support batches. */
function checkBatch (body: unknown, revision: string): void {
  if (!Array.isArray(body)) return
  if (revision !== batchRevision) throw new InvalidRequestError({ reason: `a batch in revision ${revision}` })
  if (body.length === 0 || body.length > maxBatch) {
    throw new InvalidRequestError({ reason: `a batch of ${body.length}` })
  }
  for (const message of body) {
    const kind = kindOf(message)
    if (kind === 'invalid' || (kind === 'request' && (message as RpcRequest).method === 'initialize')) {
      throw new InvalidRequestError({ reason: 'a batch with a message that is not allowed in a batch' })
    }
  }
}

/**
 * Parameters that the SDK checks itself, with error messages of its schema library
 * (MCP 2025-11-25, Lifecycle and Logging).
 */
function checkForSdk (message: unknown): void {
  if (!isRecord(message)) return
  const params = isRecord(message.params) ? message.params : {}
  if (message.method === 'logging/setLevel' && severity(params.level) < 0) {
    throw new InvalidParamsError({ reason: 'an unknown log level' })
  }
  if (message.method !== 'initialize') return
  if (!isModest(params)) throw new InvalidRequestError({ reason: 'initialize with too many values' })
  const { success, error } = InitializeRequestSchema.safeParse({ ...message, params })
  if (success) return
  // At most two names: deeper ones may be the caller's own.
  const field = error.issues[0]?.path.slice(1, 3).join('.')
  throw new InvalidParamsError({
    reason: 'initialize with a field that is missing or has the wrong type',
    data: { field }
  })
}

/** MCP 2025-11-25, Transports, Protocol Version Header: a missing header means 2025-03-26, an unknown one is 400. */
function revisionOf ({ headers, body }: McpRequest, alsoServed: readonly string[]): string {
  // For `initialize`, the header is only a guess; the body negotiates the revision.
  const header = isRecord(body) && body.method === 'initialize' ? undefined : headers['mcp-protocol-version']
  const revision = header ?? assumedRevision
  if (typeof revision !== 'string' || !served.includes(revision)) {
    throw new ProtocolVersionError({ data: { supported: [...alsoServed, ...served] } })
  }
  return revision
}

/** An SDK server on a transport that passes its answer straight to a writer. */
class LegacySlot implements Transport {
  onmessage?: NonNullable<Transport['onmessage']>
  onclose?: () => void
  onerror?: (error: Error) => void
  readonly responder = new SlotResponder({ stateful, revision: answerForm })

  static async open (catalog: Catalog, live: boolean): Promise<LegacySlot> {
    const slot = new LegacySlot()
    await createServer(catalog, live).connect(slot)
    return slot
  }

  /** Serves one request and calls `done` once, with whether this slot may serve another one. */
  serve (request: RpcRequest, exchange: Exchange, writer: ReplyWriter, done: (clean: boolean) => void): void {
    this.responder.begin({ request, exchange, writer, done })
    this.onmessage?.(forSdk(withServedRevision(request)))
  }

  async start (): Promise<void> {}

  async send (message: JSONRPCMessage): Promise<void> {
    this.responder.settle(message as RpcMessage)
  }

  async close (): Promise<void> {
    this.responder.drop()
    this.onclose?.()
  }
}
