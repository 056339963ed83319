/** One connection to an upstream: a process or an HTTP session, opened on demand and closed when idle. */
import { Client, SseError, type Transport } from '@modelcontextprotocol/client'
import { version } from '../version.js'
import { createTransport } from './transport/create.js'
import { HttpTransport } from './transport/http-transport.js'
import type { Upstream } from './options.js'
import { ProcessTransport } from './transport/process-transport.js'
import { Questions } from './questions.js'
import { Subscriptions } from './watching/subscriptions.js'

/** Callbacks for the events of a connection. */
export interface ConnectionEvents {
  /** The process wrote a line to its standard error. At most 4,096 bytes. */
  readonly line: (line: string) => void
  /** The upstream sent an invalid message, such as the response to an unknown request. */
  readonly odd: (error: unknown) => void
  /** A list of the upstream changed. */
  readonly changed: () => void
  /** The contents of a resource changed. */
  readonly updated: (uri: string) => void
  /** The connection ended unexpectedly. */
  readonly lost: (reason: string) => void
}

/** Shared by all connections to one upstream. */
export interface ConnectionPlace {
  readonly upstream: Upstream
  readonly maxResultBytes: number
  /** True if the upstream used a 2025 revision at its last start, so that the next start begins with it. */
  isLegacy?: boolean
}

/** Time limit for the request that ends a session. */
const farewellMs = 1000

/** The upstream is unavailable. Callers are told to try again. */
export class UpstreamAwayError extends Error {
  override readonly name = 'UpstreamAwayError'
}

export class Connection {
  readonly questions: Questions
  readonly #place: ConnectionPlace
  readonly #events: ConnectionEvents
  readonly #identity: string | undefined
  #client: Client
  #subscriptions: Subscriptions | undefined
  readonly #thrown = new WeakSet<Error>()
  /** Ends a start that is in progress. */
  #abandon: (() => Promise<void>) | undefined
  #isOpen = false
  #isClosing = false
  #isRetired = false
  #running = 0
  #usedAt = Date.now()

  /** `identity`: the id of the principal, if the connection belongs to a single one. */
  constructor (place: ConnectionPlace, events: ConnectionEvents, identity?: string) {
    this.#place = place
    this.#events = events
    this.#identity = identity
    const { roots, type } = place.upstream
    this.questions = new Questions({ passesRoots: roots === 'caller', hasStreams: type === 'http' })
    this.#client = this.#newClient()
  }

  get isOpen (): boolean { return this.#isOpen }
  get isIdle (): boolean { return this.#running === 0 }
  get isWatched (): boolean { return (this.#subscriptions?.uris.length ?? 0) > 0 }
  get usedAt (): number { return this.#usedAt }

  /** Rejects with an `UpstreamAwayError` if the upstream does not start in time, or if `close` is called. */
  async open (): Promise<void> {
    const { upstream } = this.#place
    const { startTimeoutMs } = upstream
    const wasLegacy = this.#place.isLegacy === true
    const startedAt = Date.now()
    try {
      await this.#connect(wasLegacy, startTimeoutMs)
    } catch (error) {
      // It may have been updated: the next start negotiates again.
      this.#place.isLegacy = false
      // Some servers of the 2025 revisions exit at a request before `initialize`.
      const mayBeOtherEra = wasLegacy || (error instanceof Error && /closed|ended/.test(error.message))
      const restMs = startTimeoutMs - (Date.now() - startedAt)
      if (upstream.type !== 'stdio' || !mayBeOtherEra || restMs <= 0) return await this.#fail(error)
      await this.#client.close().catch(() => {})
      this.#client = this.#newClient()
      try {
        await this.#connect(!wasLegacy, restMs)
      } catch (secondError) {
        await this.#fail(secondError)
      }
    }
    this.#isOpen = true
    this.#place.isLegacy = this.#client.getProtocolEra() !== 'modern'
  }

  /** Runs `work` and counts it, to know when the connection is idle. */
  async use<T> (work: (client: Client) => Promise<T>): Promise<T> {
    this.#running += 1
    this.#usedAt = Date.now()
    try {
      return await work(this.#client)
    } finally {
      this.#running -= 1
      this.#usedAt = Date.now()
      this.#closeIfRetired()
    }
  }

  /** Subscribes to changes of the lists and of these resources, if the upstream supports it. */
  async watch (uris: readonly string[]): Promise<void> {
    if (!this.#isOpen) return
    this.#subscriptions ??= new Subscriptions(this.#client, this.#place.upstream.startTimeoutMs, {
      odd: error => { if (!this.#isClosing) this.#events.odd(error) },
      gap: uris => { this.#missed(uris) }
    })
    await this.#subscriptions.set(uris)
  }

  /** Notifications may have been missed. */
  #missed (uris: readonly string[]): void {
    this.#events.changed()
    for (const uri of uris) this.#events.updated(uri)
  }

  /** Reports the connection as lost, so that it gets no further calls, and closes it after the running ones. */
  #retire (reason: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#isRetired = true
    this.#events.lost(reason)
    this.#closeIfRetired()
  }

  #closeIfRetired (): void {
    if (this.#isRetired && this.#running === 0) this.close().catch(() => {})
  }

  async close (): Promise<void> {
    this.#subscriptions?.close()
    this.#isClosing = true
    this.#isOpen = false
    await this.#abandon?.()
    await this.#endSession()
    await this.#client.close().catch(() => {})
  }

  /** An upstream over HTTP keeps a session until it is told, or forgets it (MCP 2025-11-25, Session Management). */
  async #endSession (): Promise<void> {
    const { transport } = this.#client
    if (!(transport instanceof HttpTransport) || transport.sessionId === undefined) return
    const farewell = transport.terminateSession().catch(() => {})
    await Promise.race([farewell, new Promise(resolve => { setTimeout(resolve, farewellMs).unref() })])
  }

  async #fail (error: unknown): Promise<never> {
    await this.close()
    throw new UpstreamAwayError(`Upstream ${this.#place.upstream.name} did not start`, { cause: error })
  }

  async #connect (isLegacy: boolean, timeout: number): Promise<void> {
    if (this.#isClosing) throw new Error('It was closed during the start')
    const transport = this.#transport()
    this.#noteThrown(transport)
    let timer: NodeJS.Timeout | undefined
    const cut = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => { reject(new Error(`It did not answer in time (${timeout} ms)`)) }, timeout)
      this.#abandon = async () => {
        reject(new Error('It was closed during the start'))
        await transport.close().catch(() => {})
      }
    })
    const connected = this.#client.connect(transport, {
      timeout,
      ...(isLegacy ? { prior: { kind: 'legacy' } as const } : {})
    })
    connected.catch(() => {})
    try {
      await Promise.race([connected, cut])
    } catch (error) {
      // Before `close`, which ends the process.
      const fault = transport instanceof ProcessTransport ? transport.fault : undefined
      // If the handshake failed early, the SDK does not close the transport.
      await transport.close().catch(() => {})
      throw fault === undefined ? error : new Error(`The process ${fault}`, { cause: error })
    } finally {
      clearTimeout(timer)
      this.#abandon = undefined
    }
  }

  /** Marks errors of `start` and `send`, which their callers log. */
  #noteThrown (transport: Transport): void {
    const noting = <A extends unknown[]>(work: (...args: A) => Promise<void>) => async (...args: A): Promise<void> => {
      try {
        await work(...args)
      } catch (error) {
        if (error instanceof Error) this.#thrown.add(error)
        throw error
      }
    }
    transport.start = noting(transport.start.bind(transport))
    transport.send = noting(transport.send.bind(transport))
  }

  #newClient (): Client {
    const { upstream } = this.#place
    const client = new Client({ name: 'fastify-mcp-auth', version }, {
      capabilities: {
        elicitation: { form: {}, url: {} },
        sampling: { tools: {} },
        // Off by default: a local server would use the roots of a remote caller instead of the directories
        // that the operator allowed.
        ...(upstream.roots === 'caller' ? { roots: {} } : {})
      },
      // An old server may not respond to the probe. The other half of the time is for `initialize`.
      versionNegotiation: { mode: 'auto', probe: { timeoutMs: Math.ceil(upstream.startTimeoutMs / 2) } },
      // `forward.ts` handles `input_required` itself, because only the call knows its caller.
      inputRequired: { autoFulfill: false },
      enforceStrictCapabilities: false
    })
    this.questions.answer(client)
    client.onclose = () => {
      if (client !== this.#client) return
      const wasOpen = this.#isOpen
      this.#isOpen = false
      this.#subscriptions?.close()
      if (wasOpen && !this.#isClosing) this.#events.lost(this.#faultOf?.() ?? 'the connection closed')
    }
    client.onerror = error => {
      // The SDK reports an error of `send` here first, and then rejects.
      setImmediate(() => { if (!this.#isClosing && !this.#thrown.has(error)) this.#events.odd(error) })
      // The stream ended, and with it the session. The SDK would open a new session without a handshake.
      if (error instanceof SseError && this.#isOpen) client.close().catch(() => {})
    }
    for (const list of ['tools', 'prompts', 'resources'] as const) {
      client.setNotificationHandler(`notifications/${list}/list_changed`, () => { this.#events.changed() })
    }
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
      this.#events.updated(params.uri)
    })
    client.setNotificationHandler('notifications/message', ({ params }) => { this.questions.log(params) })
    return client
  }

  #faultOf: (() => string | undefined) | undefined

  #transport (): Transport {
    const { upstream, maxResultBytes } = this.#place
    const transport = createTransport(upstream, maxResultBytes, this.#identity, {
      line: this.#events.line,
      reopened: () => { this.#missed(this.#subscriptions?.uris ?? []) },
      forgotten: () => { this.#retire('it forgot the session') }
    })
    if (transport instanceof ProcessTransport) this.#faultOf = () => transport.fault
    return transport
  }
}
