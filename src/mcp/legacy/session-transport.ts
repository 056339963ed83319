/** The way of a session's messages into and out of the SDK. */
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import type { Incoming } from '../era.js'
import { type RequestId, type RpcRequest, kindOf } from '../messages.js'
import type { SessionEvents } from './event-store.js'

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
 * The SDK never answers a request that is cancelled before its turn, as one is by the rest of its own
 * batch. Such a cancellation comes too late for us (MCP 2025-03-26, Cancellation).
 */
export function withoutOwnCancels (body: unknown): unknown {
  if (!Array.isArray(body)) return body
  const ids = new Set<unknown>(requestsIn(body).map(({ id }) => id))
  return body.filter(message => !(message.method === 'notifications/cancelled' && ids.has(message.params?.requestId)))
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
