/** The channel from a worker to the primary. The calls of one tick are sent in one message. */
import { NotSharedError } from '../fleet/bus.js'
import { type PortCall, isAnswers, type Told } from './messages.js'

/** The part of `process` that is used to communicate with the primary. */
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
  #batch: PortCall[] = []
  #count = 0
  #workers = 1

  constructor (parent: Parent) {
    this.#parent = parent
    parent.onMessage(message => { this.#take(message) })
  }

  /** The number of workers at the last message of the primary. */
  get workers (): number { return this.#workers }

  /** Calls a method of a port. Rejects with a `NotSharedError` if it fails in the primary. */
  call (port: string, method: string, ...args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#count += 1
      this.#waiting.set(this.#count, { resolve, reject })
      this.#send([this.#count, port, method, args])
    })
  }

  /** Calls a method of a port without waiting for the result. */
  post (port: string, method: string, ...args: readonly unknown[]): void {
    this.#send([null, port, method, args])
  }

  onTold (listener: (told: Told) => void): void {
    this.#listeners.add(listener)
  }

  #send (call: PortCall): void {
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
