/** The way of a session's messages into and out of the SDK. */
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { InternalError, InvalidRequestError, NotAcceptableError, type Refusal, type RefusalClass, SessionNotFoundError, StreamConflictError } from '../../errors.js'
import type { Incoming } from '../era.js'
import { type RequestId, type RpcRequest, kindOf } from '../wire/messages.js'
import type { EventStream } from '../wire/event-stream.js'
import type { SessionEvents } from './event-store.js'
import { agreeable } from './revisions.js'
import { isRecord } from '../../lib/guards.js'

/** `about`: the request that a message is said in the course of. */
type Leaving = (message: JSONRPCMessage, about: RequestId | undefined) => JSONRPCMessage

/** The SDK's transport, with a look at every message that leaves. */
export class SessionTransport extends WebStandardStreamableHTTPServerTransport {
  readonly #leaving: Leaving

  constructor (sessionId: string, retryMs: number, eventStore: SessionEvents, leaving: Leaving) {
    super({
      sessionIdGenerator: () => sessionId,
      eventStore,
      retryInterval: retryMs,
      // Our streams keep themselves alive.
      keepAliveMs: 0
    })
    this.#leaving = leaving
  }

  override async send (message: JSONRPCMessage, options?: { relatedRequestId?: RequestId }): Promise<void> {
    await super.send(this.#leaving(message, options?.relatedRequestId), options)
  }
}

export function requestsIn (body: unknown): RpcRequest[] {
  const messages: unknown[] = Array.isArray(body) ? body : [body]
  return messages.filter((message): message is RpcRequest => kindOf(message) === 'request')
}

/**
 * The body without what the SDK would stumble over. It never answers a request that is cancelled before
 * its turn, as one is by the rest of its own batch: such a cancellation comes too late for us (MCP
 * 2025-03-26, Cancellation). It answers a call that asks for a task by an error, where a server without
 * tasks has to serve it as any other (MCP 2025-11-25, Tasks, Capability Negotiation); what is said in
 * the course of one that belongs to a task it would put into a queue that is not there.
 */
export function forSdk (body: unknown): unknown {
  if (kindOf(body) === 'request') return withoutTask(agreeable(body as RpcRequest))
  if (!Array.isArray(body)) return withoutTask(body)
  const ids = new Set<unknown>(requestsIn(body).map(({ id }) => id))
  return body.filter(message => !(message.method === 'notifications/cancelled' && ids.has(message.params?.requestId))).map(withoutTask)
}

const relatedTask = 'io.modelcontextprotocol/related-task'

function withoutTask (message: unknown): unknown {
  if (!isRecord(message) || !isRecord(message.params)) return message
  const { task, ...params } = message.params
  const related = isRecord(params._meta) ? params._meta[relatedTask] : undefined
  if (task === undefined && related === undefined) return message
  if (!isRecord(params._meta) || related === undefined) return { ...message, params }
  const { [relatedTask]: _, ...meta } = params._meta
  return { ...message, params: { ...params, _meta: meta } }
}

/**
 * Only what the transport reads: never the credential. Accept was judged by us, more kindly. The
 * revision that was agreed on outweighs the header, which may be missing, and decides whether a
 * stream can be resumed (MCP 2025-11-25, Transports, Protocol Version Header).
 */
export function webRequest ({ method, headers }: Incoming, revision: string | undefined): Request {
  const own: Record<string, string> = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' }
  for (const name of ['mcp-session-id', 'mcp-protocol-version', 'last-event-id']) {
    const value = headers[name]
    if (typeof value === 'string') own[name] = value
  }
  if (revision !== undefined) own['mcp-protocol-version'] = revision
  return new Request('http://localhost/mcp', { method, headers: own })
}

/** The refusal for what the SDK's transport refuses, by status; its words stay inside. */
const refusedBy: Readonly<Record<number, RefusalClass>> = {
  400: InvalidRequestError, 404: SessionNotFoundError, 406: NotAcceptableError, 409: StreamConflictError
}

/** A refusal in the place of one of the SDK's. */
export async function refused (response: Response): Promise<Refusal> {
  const Refused = refusedBy[response.status] ?? InternalError
  return new Refused({ reason: `refused by the SDK: ${await response.text()}` })
}

/** Passes what the SDK sends on to a stream of ours. */
export async function pump (body: ReadableStream<Uint8Array>, stream: EventStream): Promise<void> {
  const reader = body.getReader()
  stream.readable.once('close', () => { reader.cancel().catch(() => {}) })
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    // Not waited for: whoever speaks waits itself, and what nobody waits for must come to the bound of the stream.
    stream.pass(value)
  }
  stream.end()
}
