/** The stream of a session that belongs to no call: it tells what changed. */
import { randomUUID } from 'node:crypto'
import { isLater } from '../../../fleet/bus.js'
import { type Eventually, after } from '../../../lib/eventually.js'
import type { Principal } from '../../../principal/principal.js'
import type { Catalog } from '../../catalog/catalog.js'
import { type Change, asSubscribed, notificationOf } from '../../catalog/changes.js'
import type { Holder, Streams } from '../../streams/streams.js'
import type { EventStream } from '../../wire/event-stream.js'

export interface StandingHost {
  /** As it is now. */
  readonly record: { readonly uris: readonly string[] }
}

export interface StandingOptions {
  readonly catalog: Catalog
  readonly streams: Streams
}

/**
 * Its events are the changes of the endpoint: their ids are the same for all sessions, and nothing is kept
 * for each.
 */
const eventId = /^c\.([0-9-]{1,48})$/

export class StandingStream {
  readonly id = randomUUID()
  readonly stream: EventStream
  /** Every instance has been told of it, in the order of all news. */
  isTold = false
  readonly #host: StandingHost
  readonly #principal: Principal
  readonly #catalog: Catalog
  readonly #streams: Streams
  /** Until what was missed has been told. */
  #waiting: Array<readonly [Change, string]> | undefined = []
  /** Up to which news the caller has all: it may still come to an instance that is a little behind. */
  #lastId = ''

  static isEventId (id: string): boolean {
    return eventId.test(id)
  }

  /** Throws where the caller has too many streams. */
  constructor (host: StandingHost, holder: Holder, { catalog, streams }: StandingOptions) {
    this.#host = host
    this.#principal = holder.principal
    this.#catalog = catalog
    this.#streams = streams
    this.stream = streams.open(holder)
    const unsubscribe = catalog.changes.subscribe((change, id) => {
      if (this.#waiting === undefined) this.#tellNew(change, id)
      else this.#waiting.push([change, id])
    })
    const stop = catalog.changes.onGap(() => {
      this.#lastId = ''
      this.#tellAll()
    })
    this.stream.readable.once('close', () => {
      unsubscribe()
      stop()
    })
  }

  /** `lastId`: where the caller comes back to. */
  begin (lastId: string | undefined): Eventually<void> {
    this.stream.begin()
    const [, id] = eventId.exec(lastId ?? '') ?? []
    return after(id === undefined ? [] : this.#catalog.changes.since(id), missed => {
      if (missed === undefined) this.#tellAll()
      else for (const { change, id } of missed) this.#tell(change, id)
      if (missed !== undefined) this.#lastId = missed.at(-1)?.id ?? id ?? ''
      for (const [change, id] of this.#waiting ?? []) this.#tellNew(change, id)
      this.#waiting = undefined
    })
  }

  /** Ends it for a newer one. */
  retire (): void {
    this.#streams.retire(this.stream)
  }

  #tellNew (change: Change, id: string): void {
    if (this.#lastId === '' || id === '' || isLater(id, this.#lastId)) this.#tell(change, id)
  }

  #tell (change: Change, id: string): void {
    const told = change.kind === 'resource' ? asSubscribed(this.#host.record.uris, change) : change
    if (told === undefined || !this.#catalog.mayLearn(this.#principal, told)) return
    void this.stream.write(
      JSON.stringify({ jsonrpc: '2.0', ...notificationOf(told) }),
      id === '' ? undefined : `c.${id}`
    )
  }

  /** What changed is forgotten: anything may have. */
  #tellAll (): void {
    for (const kind of ['tools', 'prompts', 'resources'] as const) {
      void this.stream.write(
        JSON.stringify({ jsonrpc: '2.0', method: `notifications/${kind}/list_changed`, params: {} })
      )
    }
    for (const uri of this.#host.record.uris) this.#tell({ kind: 'resource', uri }, '')
  }
}
