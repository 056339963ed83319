/** Sends changes to the other instances again, after the bus has failed. */

/** After this many missed changes, subscribers reload everything anyway. */
const most = 1000
const retryMs = 1000

export class UnsentChanges {
  readonly #send: (text: string) => Promise<void>
  /** Without duplicates, the oldest first. */
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
