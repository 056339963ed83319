/** Remembers which credentials were recently accepted from which address: they pass while it is locked. */
import type { Eventually } from '../lib/eventually.js'

export interface KnownThere {
  /** Stores that the credential with this SHA-256 was just accepted from this address. */
  readonly remember: (address: string, digest: string) => void
  /** True if this instance knows that it was accepted from there within the ttl. */
  readonly recall: (address: string, digest: string) => boolean
  /** Called when an address is found locked. Afterwards this instance knows what the others know about it. */
  readonly lockedAt: (address: string) => Eventually<void>
}

export interface KnownThereOptions {
  /** Milliseconds. 0: nothing is remembered. */
  readonly ttlMs: number
  /** Entries; beyond that the oldest are dropped. Default 20,000. */
  readonly max?: number
}

export class MemoryKnownThere implements KnownThere {
  readonly #ttlMs: number
  readonly #max: number
  /** Two generations approximate an LRU list: when the younger is full, the older one is dropped. */
  #young = new Map<string, number>()
  #old = new Map<string, number>()

  constructor ({ ttlMs, max = 20_000 }: KnownThereOptions) {
    this.#ttlMs = ttlMs
    this.#max = max
  }

  remember (address: string, digest: string, at = performance.now()): void {
    if (this.#ttlMs === 0) return
    if (this.#young.size >= this.#max / 2) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(`${digest} ${address}`, at)
  }

  recall (address: string, digest: string): boolean {
    const key = `${digest} ${address}`
    const at = this.#young.get(key) ?? this.#old.get(key)
    return at !== undefined && performance.now() - at < this.#ttlMs
  }

  lockedAt (): void {}
}
