/** Tells open streams what changed: a list, or one resource. */
import type { Item } from '../../tools/tool.js'

export type Change =
  /** `item`: what came or went. */
  | { readonly kind: 'tools' | 'prompts' | 'resources', readonly item: Item }
  | { readonly kind: 'resource', readonly uri: string }

/** The notification that tells of a change; the same in all revisions. */
export function notificationOf (change: Change): { method: string, params: Record<string, unknown> } {
  return change.kind === 'resource'
    ? { method: 'notifications/resources/updated', params: { uri: change.uri } }
    : { method: `notifications/${change.kind}/list_changed`, params: {} }
}

export class Changes {
  readonly #listeners = new Set<(change: Change) => void>()

  /** Returns what ends the subscription. */
  subscribe (listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Always true, so that a change which happened can be returned with its news. */
  publish (change: Change): true {
    for (const listener of this.#listeners) listener(change)
    return true
  }
}
