/** Changes that the other instances could not be told of, because the bus failed: sent again until they are. */

/** More than subscribers can miss without reading everything anew. */
const most = 1000
const retryMs = 1000

export class UnsentChanges {
  readonly #send: (text: string) => Promise<void>
  /** Each once, the oldest first. */
  readonly #texts = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  /** `send` rejects while the bus fails. */
  constructor (send: (text: string) => Promise<void>) {
    this.#send = send
  }

  add (text: string): void {
    this.#texts.delete(text)
    this.#texts.add(text)
    const [oldest] = this.#texts
    if (this.#texts.size > most && oldest !== undefined) this.#texts.delete(oldest)
    this.#later()
  }

  close (): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #later (): void {
    if (this.#isClosed || this.#texts.size === 0) return
    this.#timer ??= setTimeout(() => {
      this.#sendAll().catch(() => {}).finally(() => {
        this.#timer = undefined
        this.#later()
      })
    }, retryMs).unref()
  }

  async #sendAll (): Promise<void> {
    for (const text of this.#texts) {
      await this.#send(text)
      this.#texts.delete(text)
    }
  }
}
