/** Created and revoked tokens of all instances: a hash that only grows, and a message for each change. */
import type { Bus } from '../fleet/bus.js'
import type { Revocable } from '../ledger/index-in-memory.js'
import { readRecord, type StateRecord } from '../ledger/records.js'
import { endOf, nameOf, type Shared, type SharedRecords, weightOf } from '../ledger/shared-records.js'
import type { Keys } from './link/keys.js'
import type { Argument, Link } from './link/link.js'
import { addRecords, sweepRecords } from './link/scripts.js'

export interface RedisRecordsOptions {
  readonly link: Link
  readonly keys: Keys
  readonly bus: Bus
}

/** The topic of the news. */
export const recordTopic = 'record'
const batch = 500
/** How often what has expired is taken away. Each instance does it, a little apart from the others. */
const sweepMs = 60 * 60_000
/** So long after it has expired: no clock of a server is as far behind. */
const graceMs = 24 * 60 * 60_000

interface Value {
  readonly name: string
  readonly value: string
  /** `undefined` for what this version cannot read. */
  readonly record: StateRecord | undefined
}

export class RedisRecords implements SharedRecords {
  readonly #link: Link
  readonly #bus: Bus
  readonly #state: string
  readonly #news: string
  #apply: (record: StateRecord) => void = () => {}
  #mine: () => Iterable<StateRecord> = () => []
  /** The merge that is under way, and the one that comes after it. */
  #merging: Promise<void> | undefined
  #next: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor ({ link, keys, bus }: RedisRecordsOptions) {
    this.#link = link
    this.#bus = bus
    this.#state = keys.shared('state')
    this.#news = keys.shared('news')
  }

  async add (records: readonly StateRecord[], unless?: Revocable): Promise<Shared> {
    for (let start = 0; start < Math.max(1, records.length); start += batch) {
      const guards = start === 0 && unless !== undefined ? guardsOf(unless) : []
      const args: Argument[] = [this.#link.id, guards.length, ...guards.flat()]
      for (const record of records.slice(start, start + batch)) {
        args.push(nameOf(record), String(weightOf(record)), JSON.stringify(record))
      }
      if (await this.#link.run(addRecords, [this.#state, this.#news], args) !== 1) return 'refused'
    }
    return 'added'
  }

  async follow (apply: (record: StateRecord) => void, mine: () => Iterable<StateRecord>): Promise<void> {
    this.#apply = apply
    this.#mine = mine
    this.#bus.on(recordTopic, message => {
      for (const record of [readRecord(message) ?? []].flat()) this.#apply(record)
    })
    await new Promise<void>(resolve => {
      const again = (): void => { this.merge().then(resolve, () => {}) }
      // What comes while all is read is read again as news: the bus has noted its place before.
      this.#link.onUp(again)
      if (this.#link.isUp) again()
    })
    this.#timer = setInterval(() => { this.sweep().catch(() => {}) }, sweepMs * (1 + Math.random() / 10)).unref()
  }

  close (): void {
    clearInterval(this.#timer)
  }

  /**
   * Takes away what expired a day ago, by the clocks of Redis and of this machine, and is not live here, either.
   * Rejects with a `NotSharedError`.
   */
  async sweep (): Promise<void> {
    const time = await this.#link.call('TIME')
    const nowMs = Math.min(Date.now(), Array.isArray(time) ? Number(time[0]) * 1000 : 0)
    const live = new Set([...this.#mine()].map(nameOf))
    const isOver = (record: StateRecord | undefined): boolean =>
      record !== undefined && endOf(record) + graceMs < nowMs && !live.has(nameOf(record))
    for await (const values of this.#scan()) {
      const over = values.filter(({ record }) => isOver(record)).flatMap(({ name, value }) => [name, value])
      if (over.length > 0) await this.#link.run(sweepRecords, [this.#state], over)
    }
  }

  /** One at a time: who asks while one is under way gets one that begins afterwards. */
  async merge (): Promise<void> {
    if (this.#merging === undefined) {
      this.#merging = this.#merge().finally(() => { this.#merging = undefined })
      return await this.#merging
    }
    this.#next ??= this.#merging.catch(() => {}).then(async () => {
      this.#next = undefined
      await this.merge()
    })
    await this.#next
  }

  async #merge (): Promise<void> {
    const weights = new Map<string, number>()
    for await (const values of this.#scan()) {
      for (const { name, value, record } of values) {
        weights.set(name, Number(value.slice(0, value.indexOf('|'))))
        if (record !== undefined) this.#apply(record)
      }
    }
    const lacking = [...this.#mine()].filter(record => (weights.get(nameOf(record)) ?? -1) < weightOf(record))
    if (lacking.length > 0) await this.add(lacking)
  }

  async * #scan (): AsyncGenerator<Value[]> {
    let cursor = '0'
    do {
      const reply = await this.#link.call('HSCAN', this.#state, cursor, 'COUNT', batch)
      if (!Array.isArray(reply) || !Array.isArray(reply[1])) return
      cursor = String(reply[0])
      const values: Value[] = []
      for (let i = 0; i < reply[1].length; i += 2) {
        const [name, value] = [String(reply[1][i]), String(reply[1][i + 1])]
        values.push({ name, value, record: parse(value.slice(value.indexOf('|') + 1)) })
      }
      yield values
    } while (cursor !== '0')
  }
}

function parse (json: string): StateRecord | undefined {
  try {
    return readRecord(JSON.parse(json))
  } catch {
    return undefined
  }
}

/** What revokes a credential: a record of that name, of a subject one that reaches its time of issue. */
function guardsOf ({ id, tokenId, keyId, issuedAt }: Revocable): Array<[string, Argument]> {
  return [
    ...(tokenId === undefined ? [] : [[`token-revoked:${tokenId}`, 0] as [string, Argument]]),
    ...(keyId === undefined ? [] : [[`key-revoked:${keyId}`, 0] as [string, Argument]]),
    [`subject-revoked:${id}`, issuedAt ?? 0]
  ]
}
