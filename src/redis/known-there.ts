/** Remembers in Redis which credentials were accepted from which address. */
import { type KnownThere, MemoryKnownThere } from '../principal/known-there.js'
import { type RedisKeys, keyHashOf } from './link/keys.js'
import type { Link } from './link/link.js'
import { knownAt, remember } from './link/scripts.js'

export interface RedisKnownThereOptions {
  readonly link: Link
  readonly keys: RedisKeys
  readonly ttlMs: number
}

/** Maximum number of credentials for each address. */
const maxDigests = 1000
/** A locked address is looked up at most once in this time, not at each request. */
const askedMs = 1000
const maxAsked = 10_000

/** An instance writes each accepted credential, and reads those of an address when the address is locked. */
export class RedisKnownThere implements KnownThere {
  readonly #link: Link
  readonly #keys: RedisKeys
  readonly #ttlMs: number
  readonly #here: MemoryKnownThere
  readonly #asked = new Map<string, { readonly at: number, readonly answer: Promise<void> }>()

  constructor ({ link, keys, ttlMs }: RedisKnownThereOptions) {
    this.#link = link
    this.#keys = keys
    this.#ttlMs = ttlMs
    this.#here = new MemoryKnownThere({ ttlMs })
  }

  remember (address: string, digest: string): void {
    if (this.#ttlMs === 0) return
    this.#here.remember(address, digest)
    this.#link.run(remember, [this.#keyOf(address)], [digest, this.#ttlMs, maxDigests]).catch(() => {
      // It is remembered here. Another instance learns it when the credential is used there.
    })
  }

  recall (address: string, digest: string): boolean {
    return this.#here.recall(address, digest)
  }

  lockedAt (address: string): Promise<void> {
    const before = this.#asked.get(address)
    const now = performance.now()
    if (before !== undefined && now - before.at < askedMs) return before.answer
    if (this.#asked.size >= maxAsked) this.#asked.clear()
    const answer = this.#ask(address)
    this.#asked.set(address, { at: now, answer })
    return answer
  }

  /** Never rejects: if Redis is unavailable, nothing is known. */
  async #ask (address: string): Promise<void> {
    try {
      const reply = await this.#link.run(knownAt, [this.#keyOf(address)], [this.#ttlMs])
      if (!Array.isArray(reply)) return
      const now = performance.now()
      for (let i = 0; i < reply.length; i += 2) {
        this.#here.remember(address, String(reply[i]), now - Number(reply[i + 1]))
      }
    } catch {}
  }

  #keyOf (address: string): string {
    return this.#keys.of('address', keyHashOf(address), ':known')
  }
}
