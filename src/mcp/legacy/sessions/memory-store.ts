/** The sessions of a single process. */
import { type Rights, joinRights } from './rights.js'
import {
  type NewSession,
  type SessionBounds,
  type SessionChange,
  type SessionRecord,
  type SessionStore,
  changed,
  newRecord
} from './store.js'

interface Entry {
  record: SessionRecord
  usedAt: number
  /** By the clock of `performance.now()`, like `usedAt`. */
  readonly openedAt: number
  /** The rights that the answer to each question needs. */
  readonly questions: Map<string, Rights>
}

export class SessionsInMemory implements SessionStore {
  readonly isShared = false
  readonly #bounds: SessionBounds
  /** The sessions in the order of their last use, like the ids of each owner. */
  readonly #entries = new Map<string, Entry>()
  readonly #idsOf = new Map<string, Set<string>>()
  /** Expired sessions that were not reported yet. */
  #over: string[] = []

  constructor (bounds: SessionBounds) {
    this.#bounds = bounds
  }

  get size (): number {
    return this.#entries.size
  }

  create (id: string, session: NewSession): readonly string[] {
    const { max, maxPerPrincipal } = this.#bounds
    if (this.#entries.size >= max) this.#sweep()
    const ended: string[] = []
    for (const oldest of this.#idsOf.get(session.owner) ?? []) {
      if ((this.#idsOf.get(session.owner)?.size ?? 0) < maxPerPrincipal) break
      ended.push(oldest)
      this.end(oldest)
    }
    while (this.#entries.size >= max) {
      const oldest = this.#oldestOfMost()
      if (oldest === undefined) break
      ended.push(oldest)
      this.end(oldest)
    }
    const now = performance.now()
    this.#entries.set(id, { record: newRecord(session), usedAt: now, openedAt: now, questions: new Map() })
    const ids = this.#idsOf.get(session.owner)
    if (ids === undefined) this.#idsOf.set(session.owner, new Set([id]))
    else ids.add(id)
    return ended
  }

  use (id: string, owner: string, adds?: Rights): SessionRecord | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.record.owner !== owner || this.#isOver(entry)) return undefined
    this.#touch(id, entry)
    const { record } = entry
    const rights = adds === undefined ? record.rights : joinRights(record.rights, adds)
    if (rights !== record.rights) entry.record = { ...record, rights, version: record.version + 1 }
    return entry.record
  }

  set (id: string, change: SessionChange): number | 'full' | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    const record = changed(entry.record, change)
    if (record === 'full') return record
    entry.record = record
    return record.version
  }

  keep (ids: readonly string[]): readonly string[] {
    for (const id of ids) {
      const entry = this.#entries.get(id)
      // The lifetime ends, however much the session is used.
      if (entry !== undefined && this.#ageMs(entry) <= this.#bounds.lifetimeMs) this.#touch(id, entry)
    }
    this.#sweep()
    const over = [...new Set([...this.#over, ...ids.filter(id => !this.#entries.has(id))])]
    this.#over = []
    return over
  }

  end (id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    const ids = this.#idsOf.get(entry.record.owner)
    ids?.delete(id)
    if (ids?.size === 0) this.#idsOf.delete(entry.record.owner)
  }

  ask (id: string, question: string, needed: Rights): void {
    this.#entries.get(id)?.questions.set(question, needed)
  }

  asked (id: string, question: string): Rights | undefined {
    return this.#entries.get(id)?.questions.get(question)
  }

  answered (id: string, question: string): void {
    this.#entries.get(id)?.questions.delete(question)
  }

  #touch (id: string, entry: Entry): void {
    entry.usedAt = performance.now()
    this.#entries.delete(id)
    this.#entries.set(id, entry)
    const ids = this.#idsOf.get(entry.record.owner)
    ids?.delete(id)
    ids?.add(id)
  }

  /** Checks every session; called only if there is no room for another one. */
  #oldestOfMost (): string | undefined {
    let most = 0
    for (const { size } of this.#idsOf.values()) most = Math.max(most, size)
    for (const [id, { record: { owner } }] of this.#entries) if (this.#idsOf.get(owner)?.size === most) return id
    return undefined
  }

  #ageMs ({ openedAt }: Entry): number {
    return performance.now() - openedAt
  }

  #isOver (entry: Entry): boolean {
    const { idleMs, lifetimeMs } = this.#bounds
    return performance.now() - entry.usedAt > idleMs || this.#ageMs(entry) > lifetimeMs
  }

  #sweep (): void {
    for (const [id, entry] of this.#entries) {
      if (!this.#isOver(entry)) continue
      this.end(id)
      this.#over.push(id)
    }
  }
}
