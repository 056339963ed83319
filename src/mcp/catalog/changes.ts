/** Notifies open streams, on every instance, of changed lists and resources. */
import type { Bus, Json } from '../../fleet/bus.js'
import { InProcessBus } from '../../fleet/in-process-bus.js'
import { type Eventually, after } from '../../lib/eventually.js'
import { isRecord } from '../../lib/guards.js'
import type { Role } from '../../principal/principal.js'
import type { Item } from '../../tools/tool.js'
import { UnsentChanges } from './unsent-changes.js'
import { uriKey } from './uri.js'

type ListKind = 'tools' | 'prompts' | 'resources'

export type Change =
  /** `item`: the added or removed item. */
  | { readonly kind: ListKind, readonly item: Item }
  /** `to`: the id of the only principal that is notified. Default all subscribers. */
  | ResourceChange

interface ResourceChange {
  readonly kind: 'resource'
  readonly uri: string
  readonly to?: string | undefined
}

/** A caller's subscription to a resource, on this instance. */
export interface ResourceWatch {
  /** The URI that handlers receive. */
  readonly uri: string
  /** The URI or the template that the resource was added with. */
  readonly resource: string
  readonly principalId: string
}

/** Called when a caller subscribes. The returned function is called when that subscription ends. */
export type WatchListener = (watch: ResourceWatch) => (() => void) | undefined

export interface KeptChange {
  readonly id: string
  readonly change: Change
}

/** The notification for a change; the same in all revisions. */
export function notificationOf (change: Change): { method: string, params: Record<string, unknown> } {
  return change.kind === 'resource'
    ? { method: 'notifications/resources/updated', params: { uri: change.uri } }
    : { method: `notifications/${change.kind}/list_changed`, params: {} }
}

/**
 * The change with the URI that a caller subscribed to, which may be spelled differently;
 * `undefined` without a subscription, and if the change is for another principal.
 */
export function asSubscribed (
  uris: readonly string[],
  { uri, to }: ResourceChange,
  principalId: string
): Change | undefined {
  if (to !== undefined && to !== principalId) return undefined
  const key = uriKey(uri)
  const subscribed = uris.find(one => one === uri || uriKey(one) === key)
  return subscribed === undefined ? undefined : { kind: 'resource', uri: subscribed }
}

const topic = 'change'
const lists: readonly unknown[] = ['tools', 'prompts', 'resources']
/** How many added or removed items are remembered for later notifications. */
const maxItems = 1000
/** Several instances add the same tool at about the same time; streams get one notification. */
const mergeMs = 50

/** An item contains functions, so only its name and the JSON part of its rule are sent to other instances. */
export class Changes {
  readonly #bus: Bus
  readonly #find: (kind: ListKind, name: string) => Item | undefined
  readonly #items = new Map<string, Item>()
  readonly #listeners = new Set<(change: Change, id: string) => void>()
  readonly #watchListeners = new Set<WatchListener>()
  /** List changes that wait to be merged with equal ones, by kind and name. */
  readonly #waiting = new Map<string, { readonly change: Change, readonly id: string }>()
  #timer: NodeJS.Timeout | undefined
  readonly #unsent: UnsentChanges

  /** `find`: returns an item that is served here. */
  constructor (
    find: (kind: ListKind, name: string) => Item | undefined = () => undefined,
    bus: Bus = new InProcessBus()
  ) {
    this.#find = find
    this.#bus = bus
    this.#unsent = new UnsentChanges(async text => { await bus.tellAll(topic, { ...JSON.parse(text), again: true }) })
    bus.on(topic, (message, { from, id }) => {
      // The streams of this instance were notified when it happened.
      if (from === bus.id && isRecord(message) && message.again === true) return
      const change = this.#read(message, from)
      if (change !== undefined) this.#hear(change, id)
    })
  }

  /** Calls `listener` for each change, with an id to resume from. Returns a function that unsubscribes. */
  subscribe (listener: (change: Change, id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Calls `listener` for each resource that a caller subscribes to. */
  onWatch (listener: WatchListener): void {
    this.#watchListeners.add(listener)
  }

  /** Called when a permitted caller subscribes to the resource. Call the returned function once, at the end. */
  watch (watch: ResourceWatch): () => void {
    let ends = [...this.#watchListeners].map(listener => listener(watch))
    return () => {
      for (const end of ends) end?.()
      ends = []
    }
  }

  /** Always true, so that callers can return it together with the change. */
  publish (change: Change): true {
    if (change.kind !== 'resource') this.#keep(change.kind, change.item)
    const message = write(change)
    // Streams of this instance are notified even if the bus fails, those of the others once it works again.
    this.#bus.tellAll(topic, message).catch(() => {
      this.#tell(change, '')
      this.#unsent.add(JSON.stringify(message))
    })
    return true
  }

  close (): void {
    this.#unsent.close()
  }

  /** Calls `listener` when changes may have been lost. Returns a function that unsubscribes. */
  onGap (listener: () => void): () => void {
    return this.#bus.onGap(listener)
  }

  /** The changes after the change with this id; `undefined` if some of them are no longer known. */
  since (id: string): Eventually<readonly KeptChange[] | undefined> {
    return after(this.#bus.since(topic, id), news =>
      news?.flatMap(({ id, message }) => {
        const change = this.#read(message)
        return change === undefined ? [] : [{ id, change }]
      })
    )
  }

  /** Of several equal changes only the last is announced: a list that is read after it includes all of them. */
  #hear (change: Change, id: string): void {
    if (!this.#bus.isShared || change.kind === 'resource') {
      // In the order of their ids, because readers resume from them.
      this.#tellWaiting()
      this.#tell(change, id)
      return
    }
    const key = `${change.kind} ${change.item.name}`
    this.#waiting.delete(key)
    this.#waiting.set(key, { change, id })
    this.#timer ??= setTimeout(() => { this.#tellWaiting() }, mergeMs).unref()
  }

  #tellWaiting (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { change, id } of waiting) this.#tell(change, id)
  }

  #tell (change: Change, id: string): void {
    for (const listener of this.#listeners) listener(change, id)
  }

  #keep (kind: ListKind, item: Item): void {
    const key = `${kind} ${item.name}`
    this.#items.delete(key)
    this.#items.set(key, item)
    for (const oldest of this.#items.keys()) {
      if (this.#items.size <= maxItems) break
      this.#items.delete(oldest)
    }
  }

  /** `undefined` for a message of a later version, and for an item whose rule cannot be evaluated here. */
  #read (message: Json, from?: string): Change | undefined {
    if (!isRecord(message)) return undefined
    const { kind, name, uri, access } = message
    if (kind === 'resource') return readResource(uri, message.to)
    if (!lists.includes(kind) || typeof name !== 'string') return undefined
    const list = kind as ListKind
    const kept = this.#items.get(`${list} ${name}`)
    const item = from === this.#bus.id ? kept : (this.#find(list, name) ?? kept)
    if (item !== undefined) return { kind: list, item }
    if (access === undefined) return { kind: list, item: { name } }
    return isRecord(access) && access.hasRule !== true
      ? { kind: list, item: { name, access: accessOf(access) } }
      : undefined
  }
}

function readResource (uri: unknown, to: unknown): ResourceChange | undefined {
  if (typeof uri !== 'string') return undefined
  return to === undefined ? { kind: 'resource', uri } : { kind: 'resource', uri, to: String(to) }
}

function write (change: Change): Json {
  if (change.kind === 'resource') {
    const { kind, uri, to } = change
    return to === undefined ? { kind, uri } : { kind, uri, to }
  }
  const { name, access } = change.item
  if (access === undefined) return { kind: change.kind, name }
  const { roles, scopes, allow, denied } = access
  return { kind: change.kind, name, access: { roles, scopes, denied, hasRule: allow !== undefined } }
}

/** Parses a rule from another instance. An unreadable rule admits no caller. */
function accessOf ({ roles, scopes, denied }: Record<string, unknown>): NonNullable<Item['access']> {
  return {
    ...(roles === undefined ? {} : { roles: texts(roles) as Role[] }),
    ...(scopes === undefined ? {} : { scopes: texts(scopes) }),
    ...(denied === 'error' || denied === 'challenge' ? { denied } : {})
  }
}

function texts (value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : ['']
}
