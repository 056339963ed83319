/** The `GET` stream of a session: it announces changes and belongs to no call. */
import { randomUUID } from 'node:crypto'
import { isLater } from '../../../fleet/bus.js'
import { type Eventually, after } from '../../../lib/eventually.js'
import type { Principal } from '../../../principal/principal.js'
import type { Catalog } from '../../catalog/catalog.js'
import { type Change, asSubscribed, notificationOf } from '../../catalog/changes.js'
import type { Holder, Streams } from '../../streams/streams.js'
import type { EventStream } from '../../wire/event-stream.js'

export interface StandingHost {
  /** The current state. */
  readonly record: { readonly uris: readonly string[] }
}

export interface StandingOptions {
  readonly catalog: Catalog
  readonly streams: Streams
}

/**
 * Its events are the changes of the endpoint, whose ids are the same for all sessions, so nothing is stored
 * per session.
 */
const eventId = /^c\.([0-9-]{1,48})$/

export class StandingStream {
  readonly id: string = randomUUID()
  readonly stream: EventStream
  /** True once its announcement has come back: announcements that arrive later are of newer streams. */
  isAnnounced = false
  readonly #host: StandingHost
  readonly #principal: Principal
  readonly #catalog: Catalog
  readonly #streams: Streams
  /** Until the missed changes have been sent. */
  #waiting: Array<readonly [Change, string]> | undefined = []
  /** The last change that the caller has seen; this instance may be slightly behind it. */
  #lastId = ''

  static isEventId (id: string): boolean {
    return eventId.test(id)
  }

  /** Throws if the caller has too many streams. */
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

  /** `lastId`: where the caller resumes. */
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

  /** Ends it because a newer one replaces it. */
  retire (): void {
    this.#streams.retire(this.stream)
  }

  #tellNew (change: Change, id: string): void {
    if (this.#lastId === '' || id === '' || isLater(id, this.#lastId)) this.#tell(change, id)
  }

  #tell (change: Change, id: string): void {
    const told = change.kind === 'resource' ? asSubscribed(this.#host.record.uris, change, this.#principal.id) : change
    if (told === undefined || !this.#catalog.mayLearn(this.#principal, told)) return
    void this.stream.write(
      JSON.stringify({ jsonrpc: '2.0', ...notificationOf(told) }),
      id === '' ? undefined : `c.${id}`
    )
  }

  /** The changes are no longer known: announces that anything may have changed. */
  #tellAll (): void {
    for (const kind of ['tools', 'prompts', 'resources'] as const) {
      void this.stream.write(
        JSON.stringify({ jsonrpc: '2.0', method: `notifications/${kind}/list_changed`, params: {} })
      )
    }
    for (const uri of this.#host.record.uris) this.#tell({ kind: 'resource', uri }, '')
  }
}

/** The standing stream of a session on this instance, if there is one: the newest. */
export class NewestStanding {
  #standing: StandingStream | undefined

  get isOpen (): boolean { return this.#standing !== undefined }

  /** Ends the stream before it: the connection of the older one may be dead without notice. */
  open (make: () => StandingStream): StandingStream {
    this.end()
    const standing = make()
    this.#standing = standing
    standing.stream.readable.once('close', () => { if (this.#standing === standing) this.#standing = undefined })
    return standing
  }

  /** Called when the announcement of the stream `id` comes back from the bus. */
  announced (id: string): void {
    if (this.#standing?.id === id) this.#standing.isAnnounced = true
  }

  /** Announcements may have been missed, so the next one counts as newer. */
  doubt (): void {
    if (this.#standing !== undefined) this.#standing.isAnnounced = true
  }

  /** Called for the announcement of another stream: ends the one here if that one is newer. */
  replacedElsewhere (): void {
    if (this.#standing?.isAnnounced === true) this.end()
  }

  end (): void {
    this.#standing?.retire()
    this.#standing = undefined
  }
}
