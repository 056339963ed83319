/** Keys that the app verifies itself, with a deadline and a cache. */
import type { Eventually } from '../lib/eventually.js'
import { requireWhole, wholeFrom0 } from '../lib/require.js'
import { longestTimerMs } from '../lib/timers.js'
import { unavailable, within, withoutText } from './ask-app.js'
import { verifiedIdentity, type Identity } from '../principal/identity.js'
import type { AskedKey, Rejected, Verdict } from '../principal/presented.js'
import { RememberedKeys } from './remembered-keys.js'
import type { Principal } from '../principal/principal.js'
import { proofOf } from '../principal/proof.js'

/** What `verifyKey` gets besides the key. */
export interface KeyContext {
  /** The SHA-256 of the key in hex. Look the key up by its digest, so that you never store keys. */
  readonly digest: string
  /** The address that the request came from. */
  readonly address: string
  readonly requestId: string
  /** Aborted when the answer is no longer needed. */
  readonly signal: AbortSignal
}

/**
 * Verifies a key that is in neither list nor file. Returns `null` if the key is invalid. If it throws, the
 * request gets a 503, which counts against no limit.
 */
export type VerifyKey = (key: string, context: KeyContext) => Eventually<Identity | null | undefined>

export interface AppKeysOptions {
  /** Called for keys that are in neither list nor file. */
  readonly verifyKey?: VerifyKey | undefined
  /** Milliseconds that `verifyKey`, `enrich` and `stillGood` may take. Default 3,000. */
  readonly verifyKeyTimeoutMs?: number | undefined
  /** Milliseconds that a valid key is cached, for all addresses. 0: no cache. Default 60,000. */
  readonly verifyKeyTtlMs?: number | undefined
  /**
   * Called for the callers of `verifyKey` that have an open stream or a running call, once every
   * `verifyKeyTtlMs` and after `endpoint.forget`. Throwing counts as false. Left out: a stream ends with
   * `expiresAt` or `forget`.
   */
  readonly stillGood?: ((principal: Principal) => Eventually<boolean>) | undefined
}

type ReportFailure = (error: unknown, what: string, requestId?: string) => void

const unknown: Rejected = Object.freeze({ reason: 'the API key is unknown' })
const expired: Rejected = Object.freeze({ reason: 'the API key has expired' })

/** The number of cached confirmations. */
const maxConfirmed = 10_000
const minTickMs = 1000
/** How long a caller stays marked, so that its streams and calls can end. */
const goneMs = 2000
const quietMs = 400

export class AppKeys {
  readonly #verifyKey: VerifyKey
  readonly #stillGood: AppKeysOptions['stillGood']
  readonly #timeoutMs: number
  readonly #ttlMs: number
  readonly #report: ReportFailure
  readonly #good: RememberedKeys
  readonly #asked = new Map<string, Promise<Verdict>>()
  /** When `stillGood` last confirmed each caller. */
  readonly #confirmed = new Map<string, number>()
  /** Callers whose streams must end, and since when; oldest first. */
  readonly #gone = new Map<string, number>()
  /** Keys whose streams must end, and since when; oldest first. */
  readonly #forgotten = new Map<string, number>()
  /** One set for each running look-up of callers with a stream or a call: the callers found so far. */
  readonly #looks = new Set<Map<string, Principal>>()
  #listeners = new Set<() => void>()
  /** Increased by `forget`, so that an answer to an earlier request is not cached. */
  #age = 0
  #timer: NodeJS.Timeout | undefined

  private constructor (options: AppKeysOptions & { readonly verifyKey: VerifyKey; readonly report: ReportFailure }) {
    const { verifyKey, stillGood, verifyKeyTimeoutMs = 3000, verifyKeyTtlMs = 60_000, report } = options
    this.#verifyKey = verifyKey
    this.#stillGood = stillGood
    this.#timeoutMs = verifyKeyTimeoutMs
    this.#ttlMs = verifyKeyTtlMs
    this.#report = report
    this.#good = new RememberedKeys(verifyKeyTtlMs)
    if (stillGood !== undefined) this.#askLater(stillGood)
  }

  /** `null` if there is no `verifyKey`. Throws a `TypeError` or `RangeError` for an invalid option. */
  static open (options: AppKeysOptions, report: ReportFailure): AppKeys | null {
    const { verifyKey, verifyKeyTimeoutMs, verifyKeyTtlMs, stillGood } = options
    for (const [name, ask] of Object.entries({ verifyKey, stillGood })) {
      if (ask !== undefined && typeof ask !== 'function') throw new TypeError(`\`${name}\` must be a function`)
    }
    requireWhole('auth', { verifyKeyTimeoutMs })
    if (verifyKeyTtlMs !== undefined) wholeFrom0('verifyKeyTtlMs', verifyKeyTtlMs)
    if (verifyKey !== undefined) return new AppKeys({ ...options, verifyKey, report })
    if (stillGood === undefined) return null
    throw new TypeError('`stillGood` requires `verifyKey`')
  }

  /** Rejects with an `UnavailableError` if `verifyKey` fails; with a `TypeError` if its answer is invalid. */
  verify (asked: AskedKey): Eventually<Verdict> {
    const { digest } = asked
    const known = this.#good.find(digest)
    if (known !== undefined) return known
    // Without a cache, `verifyKey` is called for each request.
    if (this.#ttlMs === 0) return this.#ask(asked)
    const before = this.#asked.get(digest)
    if (before !== undefined) return before
    const pending = this.#ask(asked).finally(() => {
      if (this.#asked.get(digest) === pending) this.#asked.delete(digest)
    })
    this.#asked.set(digest, pending)
    return pending
  }

  async #ask ({ key, digest, address, requestId }: AskedKey): Promise<Verdict> {
    const age = this.#age
    let answer: Identity | null | undefined
    try {
      answer = await within(this.#timeoutMs, signal =>
        this.#verifyKey(key, { digest, address, requestId, signal })
      )
    } catch (error) {
      this.#report(withoutText(error, key), '`verifyKey` failed', requestId)
      throw unavailable()
    }
    // Most look-ups return one of these if they find nothing.
    if (answer === null || answer === undefined) return unknown
    const verified = verifiedIdentity(answer, key)
    const { principal } = verified
    if (principal.expiresAt !== undefined && principal.expiresAt <= Date.now()) return expired
    if (age === this.#age) this.#good.add(digest, verified)
    this.#gone.delete(nameOf(principal))
    if (principal.keyId !== undefined) this.#forgotten.delete(principal.keyId)
    return verified
  }

  /**
   * Drops a key from the cache: its next request calls `verifyKey` again. Its streams and calls end unless
   * `stillGood` confirms them.
   */
  forget (keyId: string): void {
    this.#age += 1
    this.#asked.clear()
    this.#confirmed.clear()
    this.#good.drop(principal => principal.keyId === keyId)
    if (this.#stillGood !== undefined) {
      this.#look(principal => proofOf(principal).keyId === keyId).catch(() => {})
      return
    }
    mark(this.#forgotten, keyId)
    this.#tell()
  }

  /** For the credential watch: false while the streams of this caller must end. */
  stillGood (principal: Principal): boolean {
    const proof = proofOf(principal)
    if (!isOfApp(proof)) return true
    const name = nameOf(proof)
    for (const found of this.#looks) found.set(name, principal)
    return !this.#gone.has(name) && !(proof.keyId !== undefined && this.#forgotten.has(proof.keyId))
  }

  /** True if the app can confirm a caller later without its key. */
  get canTell (): boolean {
    return this.#stillGood !== undefined
  }

  /**
   * Calls `stillGood` for a caller whose key is not at hand, at most once every `verifyKeyTtlMs`. Rejects
   * with an `UnavailableError` if it fails.
   */
  async confirm (principal: Principal): Promise<boolean> {
    if (this.isConfirmed(principal)) return true
    const stillGood = this.#stillGood
    if (stillGood === undefined) return false
    const name = nameOf(principal)
    const age = this.#age
    try {
      if ((await within(this.#timeoutMs, () => stillGood(principal))) !== true) return false
    } catch (error) {
      this.#report(error, '`stillGood` failed')
      throw unavailable()
    }
    if (age === this.#age && this.#ttlMs > 0) {
      if (this.#confirmed.size >= maxConfirmed) this.#confirmed.clear()
      this.#confirmed.set(name, performance.now())
    }
    return true
  }

  /** True if the app confirmed the caller within the ttl. */
  isConfirmed (principal: Principal): boolean {
    const at = this.#confirmed.get(nameOf(principal))
    return at !== undefined && performance.now() - at < this.#ttlMs
  }

  onChange (listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  close (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#listeners.clear()
  }

  /**
   * Finds the callers with a stream or a call by making each credential watch check its callers. Then ends
   * those that are no longer valid.
   */
  async #look (isMeant: (principal: Principal) => boolean): Promise<void> {
    const found = new Map<string, Principal>()
    this.#looks.add(found)
    this.#tell()
    await this.#judge(found, isMeant)
    // Watches check calls that have sent nothing yet a moment later.
    const asked = new Set(found.keys())
    await new Promise(resolve => { setTimeout(resolve, quietMs).unref() })
    this.#looks.delete(found)
    await this.#judge(found, (principal, name) => !asked.has(name) && isMeant(principal))
  }

  async #judge (
    found: ReadonlyMap<string, Principal>,
    isMeant: (principal: Principal, name: string) => boolean
  ): Promise<void> {
    const meant = [...found].filter(([name, principal]) => isMeant(principal, name))
    const judged = await Promise.all(
      meant.map(async ([name, principal]) => ((await this.#isGood(principal)) ? undefined : name))
    )
    const gone = new Set(judged.filter(name => name !== undefined))
    if (gone.size === 0) return
    for (const name of gone) {
      mark(this.#gone, name)
      this.#confirmed.delete(name)
    }
    this.#good.drop(principal => gone.has(nameOf(principal)))
    this.#tell()
  }

  async #isGood (principal: Principal): Promise<boolean> {
    const stillGood = this.#stillGood
    if (stillGood === undefined) return false
    try {
      return (await within(this.#timeoutMs, () => stillGood(principal))) === true
    } catch (error) {
      this.#report(error, '`stillGood` failed, which counts as false')
      return false
    }
  }

  #tell (): void {
    for (const listener of this.#listeners) listener()
  }

  #askLater (stillGood: NonNullable<AppKeysOptions['stillGood']>): void {
    const everyMs = this.#ttlMs === 0 ? minTickMs : Math.min(this.#ttlMs, longestTimerMs)
    this.#timer = setTimeout(() => {
      this.#look(() => true)
        .catch(() => {})
        .finally(() => { if (this.#timer !== undefined) this.#askLater(stillGood) })
    }, everyMs).unref()
  }
}

/** Adds `name` to the marks and removes expired ones. */
function mark (marks: Map<string, number>, name: string): void {
  const now = performance.now()
  marks.delete(name)
  marks.set(name, now)
  for (const [oldest, at] of marks) {
    if (now - at <= goneMs) return
    marks.delete(oldest)
  }
}

/** True for a caller from `verifyKey`: ids of this package belong to other kinds of credentials. */
export function isOfApp ({ id, method }: Pick<Principal, 'id' | 'method'>): boolean {
  return method === 'api-key' && !/^(?:apikey|user):/.test(id)
}

/** Combines the ids, so that a copy of a principal has the same name. */
function nameOf ({ id, keyId = '' }: Principal): string {
  return JSON.stringify([id, keyId])
}
