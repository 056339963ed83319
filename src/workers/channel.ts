/** A worker's channel to its primary: the calls of one tick are sent together. */
import { NotSharedError } from '../fleet/bus.js'
import { type Call, isAnswers, type Told } from './messages.js'

/** What of a process with a parent is used here. */
export interface Parent {
  readonly send: (message: object) => void
  readonly onMessage: (listener: (message: unknown) => void) => void
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export class Channel {
  readonly #parent: Parent
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<(told: Told) => void>()
  #batch: Call[] = []
  #count = 0
  #workers = 1

  constructor (parent: Parent) {
    this.#parent = parent
    parent.onMessage(message => { this.#take(message) })
  }

  /** How many workers there are, as far as is known. */
  get workers (): number { return this.#workers }

  /** Rejects with a `NotSharedError` where the primary could not do it. */
  call (port: string, method: string, ...args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#count += 1
      this.#waiting.set(this.#count, { resolve, reject })
      this.#send([this.#count, port, method, args])
    })
  }

  /** Nobody waits for it. */
  post (port: string, method: string, ...args: readonly unknown[]): void {
    this.#send([null, port, method, args])
  }

  onTold (listener: (told: Told) => void): void {
    this.#listeners.add(listener)
  }

  #send (call: Call): void {
    if (this.#batch.length === 0) {
      setImmediate(() => {
        const mcpCalls = this.#batch
        this.#batch = []
        this.#parent.send({ mcpCalls })
      })
    }
    this.#batch.push(call)
  }

  #take (message: unknown): void {
    if (!isAnswers(message)) return
    this.#workers = message.workers
    for (const [id, ok, value] of message.mcpAnswers) {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (ok) waiting?.resolve(value)
      else waiting?.reject(new NotSharedError('The primary process failed'))
    }
    for (const told of message.mcpTold) for (const listener of this.#listeners) listener(told)
  }
}
