/** Which credentials were recently valid at which address: they pass while that address is locked. */
import type { Eventually } from '../lib/eventually.js'

export interface KnownThere {
  /** Notes that the credential with this SHA-256 was let in from this address just now. */
  readonly remember: (address: string, digest: string) => void
  /** True where it was let in there at most the ttl ago, as far as is known here. */
  readonly recall: (address: string, digest: string) => boolean
  /** Called when an address turns out to be locked: what other instances know of it is known here once this is over. */
  readonly lockedAt: (address: string) => Eventually<void>
}

export interface KnownThereOptions {
  /** Milliseconds. 0: nothing is ever known. */
  readonly ttlMs: number
  /** How many are remembered; beyond it the oldest are forgotten. 20,000 where left out. */
  readonly max?: number
}

export class MemoryKnownThere implements KnownThere {
  readonly #ttlMs: number
  readonly #max: number
  /** Two generations instead of a list in order of use: the older one goes when the younger is full. */
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
