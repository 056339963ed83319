/** The subscriptions of one connection to changes of lists and resources. */
import type { Client, McpSubscription } from '@modelcontextprotocol/client'

/** Maximum number of URIs in one stream of revision 2026-07-28. The same limit as in this server. */
const maxUrisPerStream = 100
const firstPauseMs = 1000
const longestPauseMs = 60_000

export interface SubscriptionEvents {
  /** The upstream refused a subscription or cannot be reached. */
  readonly odd: (error: unknown) => void
  /** Notifications may have been missed, so any of these resources may have changed. */
  readonly gap: (uris: readonly string[]) => void
}

export class Subscriptions {
  readonly #client: Client
  readonly #timeout: number
  readonly #events: SubscriptionEvents
  #wanted: readonly string[] = []
  /** The subscribed URIs (2025 revisions). */
  readonly #asked = new Set<string>()
  /** The open streams (revision 2026-07-28). */
  #streams: readonly McpSubscription[] = []
  #openedAt = 0
  #isStale = false
  #running: Promise<void> | undefined
  #pauseMs = firstPauseMs
  #timer: NodeJS.Timeout | undefined
  #isBegun = false
  #isClosed = false

  /** `timeout`: milliseconds for each request. */
  constructor (client: Client, timeout: number, events: SubscriptionEvents) {
    this.#client = client
    this.#timeout = timeout
    this.#events = events
  }

  /** The watched resources. */
  get uris (): readonly string[] { return this.#wanted }

  /** Watches the lists and exactly these resources. Never rejects; errors are passed to `odd`. */
  async set (uris: readonly string[]): Promise<void> {
    const isSame = this.#isBegun && uris.length === this.#wanted.length && uris.every(uri => this.#wanted.includes(uri))
    this.#wanted = uris
    if (!isSame) await this.#renew()
  }

  async #renew (): Promise<void> {
    this.#isBegun = true
    this.#isStale = true
    this.#running ??= this.#settle().finally(() => { this.#running = undefined })
    await this.#running
  }

  /** Called when the connection has ended. Its streams have ended, too. */
  close (): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  /** Runs one update at a time, so that the last `set` applies. */
  async #settle (): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false
      if (this.#client.getProtocolEra() === 'modern') await this.#listen()
      else await this.#subscribe()
    }
  }

  async #subscribe (): Promise<void> {
    if (this.#client.getServerCapabilities()?.resources?.subscribe !== true) return
    const options = { timeout: this.#timeout }
    for (const uri of [...this.#asked]) {
      if (this.#wanted.includes(uri)) continue
      this.#asked.delete(uri)
      await this.#client.unsubscribeResource({ uri }, options).catch(this.#events.odd)
    }
    for (const uri of this.#wanted) {
      if (this.#asked.has(uri)) continue
      this.#asked.add(uri)
      await this.#client.subscribeResource({ uri }, options).catch((error: unknown) => {
        this.#asked.delete(uri)
        this.#events.odd(error)
      })
    }
  }

  /** Opens new streams and then closes the old ones, because the filter of a stream cannot be changed. */
  async #listen (): Promise<void> {
    const before = this.#streams
    const opened: McpSubscription[] = []
    try {
      for (const filter of this.#filters()) {
        opened.push(await this.#client.listen(filter, { timeout: this.#timeout }))
      }
    } catch (error) {
      this.#events.odd(error)
      if (!isRefusal(error)) this.#again()
    }
    this.#streams = opened
    this.#openedAt = Date.now()
    for (const stream of opened) stream.closed.then(() => { this.#ended(stream) }, () => {})
    await Promise.all(before.map(async stream => { await stream.close() }))
  }

  #filters (): Array<Parameters<Client['listen']>[0]> {
    const { tools, prompts, resources } = this.#client.getServerCapabilities() ?? {}
    const lists = {
      ...(tools?.listChanged === true ? { toolsListChanged: true } : {}),
      ...(prompts?.listChanged === true ? { promptsListChanged: true } : {}),
      ...(resources?.listChanged === true ? { resourcesListChanged: true } : {})
    }
    const uris = resources?.subscribe === true ? this.#wanted : []
    const parts = Array.from({ length: Math.ceil(uris.length / maxUrisPerStream) }, (_, n) =>
      uris.slice(n * maxUrisPerStream, (n + 1) * maxUrisPerStream)
    )
    const [first, ...rest] = parts.map(resourceSubscriptions => ({ resourceSubscriptions }))
    const all = [{ ...lists, ...first }, ...rest]
    return all.filter(filter => Object.keys(filter).length > 0)
  }

  /** The upstream or the network ended a stream that is still needed. */
  #ended (stream: McpSubscription): void {
    if (!this.#streams.includes(stream)) return
    if (Date.now() - this.#openedAt > longestPauseMs) this.#pauseMs = firstPauseMs
    this.#again()
  }

  #again (): void {
    if (this.#isClosed || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#renew().then(() => {
        if (this.#isClosed || this.#timer !== undefined) return
        this.#events.gap(this.#wanted)
      }, () => {})
    }, this.#pauseMs).unref()
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2)
  }
}

/** The upstream refused the request itself, so another try would be refused, too. */
function isRefusal (error: unknown): boolean {
  return error instanceof Error && error.name === 'ProtocolError'
}
