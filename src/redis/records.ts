/** Created and revoked tokens in Redis, shared by all instances. */
import type { Bus } from '../fleet/bus.js'
import type { Revocable } from '../ledger/index-in-memory.js'
import { readRecord, type LedgerRecord } from '../ledger/records.js'
import { endOf, nameOf, type ShareResult, type SharedRecords, weightOf } from '../ledger/shared-records.js'
import { eachUp } from './link/each-up.js'
import type { RedisKeys } from './link/keys.js'
import type { Argument, Link } from './link/link.js'
import { shareRecords, sweepRecords } from './link/scripts.js'

export interface RedisRecordsOptions {
  readonly link: Link
  readonly keys: RedisKeys
  readonly bus: Bus
}

/** The topic of new records. */
const recordTopic = 'record'
const batch = 500
/** How often expired records are deleted. Each instance does so, at slightly different times. */
const sweepMs = 60 * 60_000
/** How long expired records are kept. No server's clock should be further behind. */
const graceMs = 24 * 60 * 60_000

interface Value {
  readonly name: string
  readonly value: string
  /** `undefined` for a record of a later version. */
  readonly record: LedgerRecord | undefined
}

/** A hash of all records, and a message for each new one. */
export class RedisRecords implements SharedRecords {
  readonly #link: Link
  readonly #bus: Bus
  readonly #state: string
  readonly #news: string
  #apply: (record: LedgerRecord) => void = () => {}
  #mine: () => Iterable<LedgerRecord> = () => []
  /** The running merge, and the one that starts after it. */
  #merging: Promise<void> | undefined
  #next: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor ({ link, keys, bus }: RedisRecordsOptions) {
    this.#link = link
    this.#bus = bus
    this.#state = keys.shared('state')
    this.#news = keys.shared('news')
  }

  async add (records: readonly LedgerRecord[], unless?: Revocable): Promise<ShareResult> {
    for (let start = 0; start < Math.max(1, records.length); start += batch) {
      const guards = start === 0 && unless !== undefined ? guardsOf(unless) : []
      const args: Argument[] = [this.#link.id, guards.length, ...guards.flat()]
      for (const record of records.slice(start, start + batch)) {
        args.push(nameOf(record), String(weightOf(record)), JSON.stringify(record))
      }
      if (await this.#link.run(shareRecords, [this.#state, this.#news], args) !== 1) return 'refused'
    }
    return 'added'
  }

  async follow (apply: (record: LedgerRecord) => void, mine: () => Iterable<LedgerRecord>): Promise<void> {
    this.#apply = apply
    this.#mine = mine
    this.#bus.on(recordTopic, message => {
      for (const record of [readRecord(message) ?? []].flat()) this.#apply(record)
    })
    await new Promise<void>(resolve => {
      // Records that are added during the merge also arrive as messages, because the bus noted its position
      // before.
      eachUp(this.#link, async () => {
        await this.merge()
        resolve()
      })
    })
    this.#timer = setInterval(() => { this.sweep().catch(() => {}) }, sweepMs * (1 + Math.random() / 10)).unref()
  }

  close (): void {
    clearInterval(this.#timer)
  }

  /**
   * Deletes records that expired at least a day ago by the clocks of Redis and of this machine, unless they
   * are still needed here. Rejects with a `NotSharedError`.
   */
  async sweep (): Promise<void> {
    const time = await this.#link.call('TIME')
    const nowMs = Math.min(Date.now(), Array.isArray(time) ? Number(time[0]) * 1000 : 0)
    const live = new Set([...this.#mine()].map(nameOf))
    const hasExpired = (record: LedgerRecord | undefined): boolean =>
      record !== undefined && endOf(record) + graceMs < nowMs && !live.has(nameOf(record))
    for await (const values of this.#scan()) {
      const expired = values
        .filter(({ record }) => hasExpired(record))
        .flatMap(({ name, value }) => [name, value])
      if (expired.length > 0) await this.#link.run(sweepRecords, [this.#state], expired)
    }
  }

  /** Runs one merge at a time. A call during a running merge waits for another one that starts after it. */
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

function parse (json: string): LedgerRecord | undefined {
  try {
    return readRecord(JSON.parse(json))
  } catch {
    return undefined
  }
}

/**
 * The records that would revoke a credential: of its token, of its key, or of its subject since its issue
 * time.
 */
function guardsOf ({ id, tokenId, keyId, issuedAt }: Revocable): Array<[string, Argument]> {
  return [
    ...(tokenId === undefined ? [] : [[`token-revoked:${tokenId}`, 0] as [string, Argument]]),
    ...(keyId === undefined ? [] : [[`key-revoked:${keyId}`, 0] as [string, Argument]]),
    [`subject-revoked:${id}`, issuedAt ?? 0]
  ]
}
