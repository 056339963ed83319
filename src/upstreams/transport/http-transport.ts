/** The Streamable HTTP transport, which also reports streams that ended without what was expected of them. */
import {
  type JSONRPCMessage,
  SdkHttpError,
  StreamableHTTPClientTransport
} from '@modelcontextprotocol/client'
import { boundedFetch, brokenOffCode, postedIdOf } from './bounded-fetch.js'

export interface HttpTransportOptions {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** The maximum size of a response, or of an event of a stream. */
  readonly maxBytes: number
  /** The stream of notifications was opened again. Notifications may have been missed. */
  readonly reopened: () => void
  /** The upstream no longer knows the session. */
  readonly forgotten: () => void
}

type SendOptions = Parameters<StreamableHTTPClientTransport['send']>[1]

/** The SDK reopens the stream of notifications twice within seconds. After that, this is the pause. */
const retryMs = 30_000

export class HttpTransport extends StreamableHTTPClientTransport {
  readonly #options: HttpTransportOptions
  /** The ids of requests as text, because a response may repeat a number as a text. */
  readonly #unanswered = new Set<string>()
  #hasStream = false
  /** True from the end of the last attempt of the SDK until the stream is known. */
  #isExhausted = false
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor (options: HttpTransportOptions) {
    const { url, headers, maxBytes } = options
    const bounded = boundedFetch(maxBytes)
    super(new URL(url), {
      requestInit: { headers, redirect: 'error' },
      fetch: async (target, init) => {
        const response = await bounded(target, init)
        // The SDK takes any 202 for the acceptance of a notification, and the request would never end.
        if (response.status === 202 && postedIdOf(init?.body) !== undefined) {
          throw new Error('It answered a request with HTTP 202 and no response')
        }
        this.#noteStream(response, init)
        return response
      }
    })
    this.#options = options
    // The SDK calls these before its own handlers.
    this.onmessage = message => {
      if (!('method' in message)) this.#unanswered.delete(String(message.id))
    }
    this.onerror = error => {
      if (error.message.startsWith('Maximum reconnection attempts')) this.#exhausted()
    }
  }

  /** A request without a response fails when its stream has ended and cannot be resumed. */
  override async send (
    message: JSONRPCMessage | JSONRPCMessage[],
    options?: SendOptions
  ): Promise<void> {
    const id = Array.isArray(message) ? undefined : this.#requestIdOf(message)
    if (id === undefined) return await super.send(message, options)
    const name = String(id)
    this.#unanswered.add(name)
    options?.requestSignal?.addEventListener('abort', () => { this.#unanswered.delete(name) }, { once: true })
    const onRequestStreamEnd = (): void => {
      this.#isExhausted = false
      options?.onRequestStreamEnd?.()
      if (!this.#unanswered.delete(name)) return
      this.onmessage?.({ jsonrpc: '2.0', id, error: { code: brokenOffCode, message: 'No answer' } })
    }
    try {
      await super.send(message, { ...options, onRequestStreamEnd })
    } catch (error) {
      this.#unanswered.delete(name)
      throw error
    }
  }

  override async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await super.close()
  }

  /** `undefined` for a response or a notification. Forgets the request that a notification cancels. */
  #requestIdOf (message: JSONRPCMessage): number | string | undefined {
    if (!('method' in message)) return undefined
    if ('id' in message) return message.id
    const cancelled = message.method === 'notifications/cancelled' ? message.params?.requestId : undefined
    if (cancelled !== undefined) this.#unanswered.delete(String(cancelled))
    return undefined
  }

  /** A stream that is resumed by the id of an event gets the notifications that it missed. */
  #noteStream ({ ok }: Response, init: RequestInit | undefined): void {
    if (init?.method !== 'GET' || !ok || new Headers(init.headers).has('last-event-id')) return
    if (this.#hasStream) this.#options.reopened()
    this.#hasStream = true
  }

  /** Only the stream of notifications is opened again here: for that of a request, `onRequestStreamEnd` is called. */
  #exhausted (): void {
    this.#isExhausted = true
    queueMicrotask(() => {
      if (this.#isExhausted) this.#reopen()
      this.#isExhausted = false
    })
  }

  #reopen (): void {
    // Without an id: the missed notifications may no longer be known.
    this.resumeStream('').catch((error: unknown) => {
      if (this.#isClosed) return
      if (error instanceof SdkHttpError && (error.status === 404 || error.status === 400)) this.#options.forgotten()
      else this.#timer = setTimeout(() => { this.#reopen() }, retryMs).unref()
    })
  }
}
