/** Tells open streams, on every instance, what changed: a list, or one resource. */
import type { Bus, Json } from '../../fleet/bus.js'
import { InProcessBus } from '../../fleet/in-process-bus.js'
import { type Eventually, after } from '../../lib/eventually.js'
import { isRecord } from '../../lib/guards.js'
import type { Role } from '../../principal/principal.js'
import type { Item } from '../../tools/tool.js'
import { uriKey } from './uri.js'

type ListKind = 'tools' | 'prompts' | 'resources'

export type Change =
  /** `item`: what came or went. */
  | { readonly kind: ListKind, readonly item: Item }
  | { readonly kind: 'resource', readonly uri: string }

export interface KeptChange {
  readonly id: string
  readonly change: Change
}

/** The notification that tells of a change; the same in all revisions. */
export function notificationOf (change: Change): { method: string, params: Record<string, unknown> } {
  return change.kind === 'resource'
    ? { method: 'notifications/resources/updated', params: { uri: change.uri } }
    : { method: `notifications/${change.kind}/list_changed`, params: {} }
}

/**
 * The change of a resource under the URI that a caller subscribed to, which may be another spelling;
 * `undefined` where it did not.
 */
export function asSubscribed (uris: readonly string[], { uri }: { readonly uri: string }): Change | undefined {
  const key = uriKey(uri)
  const subscribed = uris.find(one => one === uri || uriKey(one) === key)
  return subscribed === undefined ? undefined : { kind: 'resource', uri: subscribed }
}

const topic = 'change'
const lists: readonly unknown[] = ['tools', 'prompts', 'resources']
/** Items that came or went and are kept for who hears of them later. */
const maxItems = 1000
/** Instances that get the same tool do so at about the same time: streams are told once. */
const mergeMs = 50

/** An item has functions, and stays here: what travels is its name and the part of its rule that JSON can hold. */
export class Changes {
  readonly #bus: Bus
  readonly #find: (kind: ListKind, name: string) => Item | undefined
  readonly #items = new Map<string, Item>()
  readonly #listeners = new Set<(change: Change, id: string) => void>()
  readonly #watchers = new Set<(uri: string) => void>()
  /** News of lists that wait for others like them, by kind and name. */
  readonly #waiting = new Map<string, { readonly change: Change, readonly id: string }>()
  #timer: NodeJS.Timeout | undefined

  /** `find`: an item that is served here. */
  constructor (
    find: (kind: ListKind, name: string) => Item | undefined = () => undefined,
    bus: Bus = new InProcessBus()
  ) {
    this.#find = find
    this.#bus = bus
    bus.on(topic, (message, { from, id }) => {
      const change = this.#read(message, from)
      if (change !== undefined) this.#hear(change, id)
    })
  }

  /** `listener` hears each change with its id, to which a reader can come back. Returns what ends the subscription. */
  subscribe (listener: (change: Change, id: string) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** `listener` hears of each resource that a caller subscribes to. */
  onSubscribed (listener: (uri: string) => void): void {
    this.#watchers.add(listener)
  }

  /** A caller who may read the resource wants to know when it changes. */
  subscribed (uri: string): void {
    for (const listener of this.#watchers) listener(uri)
  }

  /** Always true, so that a change which happened can be returned with its news. */
  publish (change: Change): true {
    if (change.kind !== 'resource') this.#keep(change.kind, change.item)
    // Streams of this instance hear of it all the same.
    this.#bus.tellAll(topic, write(change)).catch(() => {
      this.#tell(change, '')
    })
    return true
  }

  /** `listener` is called after changes may have been lost: anything may have changed. Returns what ends that. */
  onGap (listener: () => void): () => void {
    return this.#bus.onGap(listener)
  }

  /** What changed after the change with this id; `undefined` where some of that is forgotten. */
  since (id: string): Eventually<readonly KeptChange[] | undefined> {
    return after(this.#bus.since(topic, id), news =>
      news?.flatMap(({ id, message }) => {
        const change = this.#read(message)
        return change === undefined ? [] : [{ id, change }]
      })
    )
  }

  /** The last of several that are equal is told: a list that is read then has all of it. */
  #hear (change: Change, id: string): void {
    if (!this.#bus.isShared || change.kind === 'resource') {
      // In the order of their ids, to which a reader comes back.
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

  /** `undefined` for what a later version tells, and for an item whose rule nobody here can ask. */
  #read (message: Json, from?: string): Change | undefined {
    if (!isRecord(message)) return undefined
    const { kind, name, uri, access } = message
    if (kind === 'resource') return typeof uri === 'string' ? { kind, uri } : undefined
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

function write (change: Change): Json {
  if (change.kind === 'resource') return { kind: change.kind, uri: change.uri }
  const { name, access } = change.item
  if (access === undefined) return { kind: change.kind, name }
  const { roles, scopes, allow, denied } = access
  return { kind: change.kind, name, access: { roles, scopes, denied, hasRule: allow !== undefined } }
}

/** A rule that came from another instance. One that cannot be read lets nobody pass. */
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
