/** The bus of a single process: messages are delivered before `tellAll` returns. */
import { randomUUID } from 'node:crypto'
import type { Bus, Json, KeptNews, Listener } from './bus.js'

/** Number of stored messages of each topic, for `since`. */
const keptNews = 1000

export class InProcessBus implements Bus {
  readonly id = randomUUID()
  readonly isShared = false
  readonly #topics = new Topics()
  #count = 0

  async tellAll (topic: string, message: Json): Promise<void> {
    this.#count += 1
    this.#topics.keep(topic, String(this.#count), message)
    this.#topics.tell(topic, message, { from: this.id, id: String(this.#count) })
  }

  async tell (instance: string, topic: string, message: Json): Promise<boolean> {
    if (instance !== this.id) return false
    this.#topics.tell(topic, message, { from: this.id, id: '' })
    return true
  }

  isAlive (instance: string): boolean {
    return instance === this.id
  }

  on (topic: string, listener: Listener): () => void {
    return this.#topics.on(topic, listener)
  }

  onGap (): () => void {
    return () => {}
  }

  since (topic: string, id: string): readonly KeptNews[] | undefined {
    return this.#topics.since(topic, id)
  }

  async close (): Promise<void> {
    this.#topics.clear()
  }
}

/** The listeners and the latest messages of each topic. */
export class Topics {
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #kept = new Map<string, KeptNews[]>()
  /**
   * Messages that a listener sends during a delivery. They wait, so that all listeners see the same order.
   */
  #queue: Array<() => void> | undefined

  on (topic: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(listener))
    return () => { listeners.delete(listener) }
  }

  keep (topic: string, id: string, message: Json): void {
    const kept = this.#kept.get(topic) ?? []
    kept.push({ id, message })
    if (kept.length > keptNews) kept.shift()
    this.#kept.set(topic, kept)
  }

  since (topic: string, id: string): readonly KeptNews[] | undefined {
    const kept = this.#kept.get(topic) ?? []
    const index = kept.findIndex(message => message.id === id)
    return index === -1 ? undefined : kept.slice(index + 1)
  }

  tell (topic: string, message: Json, origin: { from: string, id: string }): void {
    const deliver = (): void => { for (const listener of this.#listeners.get(topic) ?? []) listener(message, origin) }
    if (this.#queue !== undefined) {
      this.#queue.push(deliver)
      return
    }
    this.#queue = [deliver]
    try {
      for (const next of this.#queue) next()
    } finally {
      this.#queue = undefined
    }
  }

  clear (): void {
    this.#listeners.clear()
    this.#kept.clear()
  }
}
