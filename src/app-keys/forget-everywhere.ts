/** `endpoint.forget` for several instances: each drops the key, even one that was disconnected meanwhile. */
import type { Bus } from '../fleet/bus.js'

const topic = 'key-forgotten'
const retryMs = 1000
/** How long a key is announced again to instances that may have missed it, in milliseconds. */
const keptMs = 10 * 60_000
const maxKept = 10_000

export interface ForgetEverywhereOptions {
  /** Left out: there is only this instance. */
  readonly bus: Bus | undefined
  /** Drops a key on this instance. */
  readonly forget: (keyId: string) => void
}

export class ForgetEverywhere {
  readonly #bus: Bus | undefined
  readonly #forgetHere: ForgetEverywhereOptions['forget']
  readonly #stops: ReadonlyArray<() => void>
  /** Keys dropped here, with the time; oldest first. */
  readonly #kept = new Map<string, number>()
  /** Keys not announced to the other instances yet. */
  readonly #untold = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor ({ bus, forget }: ForgetEverywhereOptions) {
    this.#bus = bus?.isShared === true ? bus : undefined
    this.#forgetHere = forget
    this.#stops = this.#bus === undefined
      ? []
      : [
          this.#bus.on(topic, (keyId, { from }) => {
            if (typeof keyId === 'string' && from !== this.#bus?.id) forget(keyId)
          }),
          this.#bus.onGap(() => { this.#tellAgain() })
        ]
  }

  /** Drops a key on this instance at once, and on the others as soon as they can be reached. */
  forget (keyId: string): void {
    this.#forgetHere(keyId)
    if (this.#bus === undefined || this.#isClosed) return
    this.#keep(keyId)
    this.#tell(keyId)
  }

  close (): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const stop of this.#stops) stop()
  }

  #tell (keyId: string): void {
    this.#untold.delete(keyId)
    this.#bus?.tellAll(topic, keyId).catch(() => {
      // After this time the caches of the others have expired anyway.
      if (this.#isClosed || !this.#kept.has(keyId)) return
      this.#untold.add(keyId)
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.#expire()
        for (const untold of [...this.#untold]) this.#tell(untold)
      }, retryMs).unref()
    })
  }

  /** Called when messages may have been lost before every instance read them. */
  #tellAgain (): void {
    this.#expire()
    for (const keyId of this.#kept.keys()) this.#tell(keyId)
  }

  #keep (keyId: string): void {
    this.#kept.delete(keyId)
    this.#kept.set(keyId, performance.now())
    this.#expire()
  }

  #expire (): void {
    const now = performance.now()
    for (const [oldest, at] of this.#kept) {
      if (this.#kept.size <= maxKept && now - at <= keptMs) return
      this.#kept.delete(oldest)
    }
  }
}
