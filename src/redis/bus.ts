/** The bus over Redis streams. One connection waits for broadcasts and for messages to this instance. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Bus, isLater, type Json, type KeptNews, type Listener, NotSharedError } from '../fleet/bus.js'
import { Topics } from '../fleet/in-process-bus.js'
import { blockMs, type RedisClient } from './link/client.js'
import { eachUp } from './link/each-up.js'
import type { RedisKeys } from './link/keys.js'
import type { Link } from './link/link.js'
import { letter, readLetters } from './link/scripts.js'

/** Number of stored broadcasts of all topics. More than a slow instance is ever behind. */
const keptNews = 10_000
/** Maximum size of unread messages to one instance. */
const maxInboxBytes = 16 * 1024 * 1024
const retryMs = 100
const batch = 500

export interface RedisBusOptions {
  readonly link: Link
  readonly keys: RedisKeys
  /** A separate connection, because it is blocked almost all the time. */
  readonly reader: RedisClient
}

export class RedisBus implements Bus {
  readonly id: string
  readonly isShared = true
  readonly #link: Link
  readonly #reader: RedisClient
  readonly #alive: string
  readonly #news: string
  readonly #keys: RedisKeys
  readonly #topics = new Topics()
  readonly #gapListeners = new Set<() => void>()
  /** The ids of the last messages that were read. */
  #newsId = ''
  #inboxId = '0-0'
  #epoch = ''
  #isClosed = false
  #isReading = false

  constructor ({ link, keys, reader }: RedisBusOptions) {
    this.id = link.id
    this.#link = link
    this.#keys = keys
    this.#reader = reader
    this.#alive = keys.shared('alive')
    this.#news = keys.shared('news')
    // The command connection reports the same errors, without the details of the library, which may contain
    // secrets.
    reader.on('error', () => {})
    eachUp(link, async () => { await this.#onUp() })
  }

  async tellAll (topic: string, message: Json): Promise<void> {
    await this.#link.call(
      'XADD',
      this.#news,
      'MAXLEN',
      '~',
      keptNews,
      '*',
      't',
      topic,
      'm',
      JSON.stringify(message),
      'f',
      this.id
    )
  }

  async tell (instance: string, topic: string, message: Json): Promise<boolean> {
    const keys = [this.#alive, this.#keys.shared(`in:${instance}`), this.#keys.shared(`in:${instance}:bytes`)]
    const args = [instance, topic, JSON.stringify(message), this.id, maxInboxBytes]
    const sent = await this.#link.run(letter, keys, args)
    if (sent === -1) throw new NotSharedError('The instance does not read its messages')
    return sent === 1
  }

  async isAlive (instance: string): Promise<boolean> {
    const [ends, time] = await Promise.all([this.#link.call('ZSCORE', this.#alive, instance), this.#link.call('TIME')])
    const [seconds, micros] = Array.isArray(time) ? time.map(Number) : []
    return ends !== null && Number(ends) > (seconds ?? 0) * 1000 + (micros ?? 0) / 1000
  }

  on (topic: string, listener: Listener): () => void {
    return this.#topics.on(topic, listener)
  }

  onGap (listener: () => void): () => void {
    this.#gapListeners.add(listener)
    return () => { this.#gapListeners.delete(listener) }
  }

  async since (topic: string, id: string): Promise<readonly KeptNews[] | undefined> {
    const kept = this.#topics.since(topic, id)
    if (kept !== undefined) return kept
    if (!/^\d{1,15}-\d{1,10}$/.test(id)) return undefined
    const [entry, later] = await Promise.all([
      this.#link.call('XRANGE', this.#news, id, id),
      this.#link.call('XRANGE', this.#news, `(${id}`, '+')
    ])
    if (entriesOf(entry).length === 0) return undefined
    return entriesOf(later).filter(news => news.topic === topic).map(({ id, message }) => ({ id, message }))
  }

  async close (): Promise<void> {
    this.#isClosed = true
    this.#reader.disconnect()
    this.#topics.clear()
    this.#gapListeners.clear()
  }

  async #onUp (): Promise<void> {
    const { epoch } = this.#link
    const [newsId, inboxId] = [this.#newsId === '' ? undefined : this.#newsId, this.#inboxId]
    const [last, newest, newestLetter] = await Promise.all([
      this.#link.call('XRANGE', this.#news, newsId ?? '0-0', newsId ?? '0-0'),
      this.#newestId(this.#news),
      this.#newestId(this.#keys.shared(`in:${this.id}`))
    ])
    const isOther = this.#epoch !== '' && this.#epoch !== epoch
    this.#epoch = epoch
    // The last read message is gone: too many messages were sent in the meantime, or a failover lost some.
    const isLost = newsId !== undefined && newsId !== '0-0' && entriesOf(last).length === 0
    if (isOther) this.#newsId = '0-0'
    // The clock of another Redis may be behind, so new ids may be lower than those that were read.
    else if (newsId === undefined || isLater(newsId, newest)) this.#newsId = newest
    if (isOther) this.#inboxId = '0-0'
    else if (isLater(inboxId, newestLetter)) this.#inboxId = newestLetter
    if (isOther || isLost) for (const listener of this.#gapListeners) listener()
    if (!this.#isReading) this.#read().catch(() => {})
  }

  /** Deletes the messages that were read. If this fails, they expire. */
  #deleteRead (): void {
    const keys = ['', ':bytes'].map(rest => this.#keys.shared(`in:${this.id}${rest}`))
    this.#link.run(readLetters, keys, [this.#inboxId]).catch(() => {})
  }

  async #newestId (stream: string): Promise<string> {
    return entriesOf(await this.#link.call('XREVRANGE', stream, '+', '-', 'COUNT', 1))[0]?.id ?? '0-0'
  }

  async #read (): Promise<void> {
    this.#isReading = true
    // Not awaited: if a Cluster cannot read its nodes at first, the promise never settles.
    if (this.#reader.status === 'wait') this.#reader.connect().catch(() => {})
    while (!this.#isClosed) {
      try {
        if (this.#reader.status !== 'ready') throw new Error('not ready')
        const reply = await this.#reader.xread('COUNT', batch, 'BLOCK', blockMs, 'STREAMS',
          this.#news, this.#keys.shared(`in:${this.id}`), this.#newsId, this.#inboxId)
        this.#deliver(reply)
      } catch {
        if (!this.#isClosed) await sleep(retryMs)
      }
    }
  }

  #deliver (reply: unknown): void {
    if (!Array.isArray(reply) || this.#isClosed) return
    for (const stream of reply) {
      if (!Array.isArray(stream)) continue
      const isNews = stream[0] === this.#news
      for (const { id, topic, message, from } of entriesOf(stream[1])) {
        if (isNews) this.#newsId = id
        else this.#inboxId = id
        if (topic === undefined) continue
        if (isNews) this.#topics.keep(topic, id, message)
        this.#topics.tell(topic, message, { from, id: isNews ? id : '' })
      }
      if (!isNews) this.#deleteRead()
    }
  }
}

interface Entry {
  readonly id: string
  /** `undefined` if the entry cannot be read, such as one of a later version. */
  readonly topic: string | undefined
  readonly message: Json
  readonly from: string
}

function entriesOf (reply: unknown): Entry[] {
  if (!Array.isArray(reply)) return []
  return reply.flatMap((entry: unknown): Entry[] => {
    if (!Array.isArray(entry) || !Array.isArray(entry[1])) return []
    const id = String(entry[0])
    const fields = new Map<unknown, unknown>()
    for (let i = 0; i < entry[1].length; i += 2) fields.set(entry[1][i], entry[1][i + 1])
    try {
      const message: Json = JSON.parse(String(fields.get('m')))
      return [{ id, topic: String(fields.get('t')), message, from: String(fields.get('f')) }]
    } catch {
      return [{ id, topic: undefined, message: null, from: '' }]
    }
  })
}
