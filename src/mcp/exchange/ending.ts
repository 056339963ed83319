/** The outcome of a message: a refusal, a failed tool, or a success. */
import { isRefusal, type Refusal } from '../../errors.js'
import { faultOf, toRefusal } from '../../to-refusal.js'

export class Ending {
  #refusal: Refusal | undefined
  /** The error of a failed tool; empty if the tool returned `isError` itself. */
  #toolFailure: { readonly refusal: Refusal | undefined } | undefined
  #fault: unknown

  /** The refusal in the answer, for the status and headers of the reply. */
  get refusal (): Refusal | undefined { return this.#refusal }
  /** The cause of an internal error, only for the log. */
  get fault (): unknown { return this.#fault }

  /** `tool-error`, or the code of the refusal. `undefined` for a success. */
  get failure (): string | undefined {
    return this.#refusal?.code ?? (this.#toolFailure === undefined ? undefined : 'tool-error')
  }

  /**
   * Why the message failed: its refusal, or the error of a tool. `undefined` for a success, and if
   * the tool returned `isError` itself.
   */
  get why (): Refusal | undefined {
    return this.#refusal ?? this.#toolFailure?.refusal
  }

  /**
   * Records a refusal: `error` itself if it is one, else an internal error whose
   * cause is for the log.
   */
  refuse (error: unknown): Refusal {
    const refusal = this.#refusalFor(error)
    this.#refusal = refusal
    return refusal
  }

  /** Records a failed tool: because of `cause`, or without it because the tool returned `isError` itself. */
  failTool (by?: { readonly cause: unknown }): void {
    this.#toolFailure = { refusal: by === undefined ? undefined : this.#refusalFor(by.cause) }
  }

  protected endWith (refusal: Refusal): void {
    this.#refusal = refusal
  }

  #refusalFor (error: unknown): Refusal {
    const refusal = toRefusal(error)
    this.#fault = isRefusal(error) ? faultOf(refusal) : describe(error)
    return refusal
  }
}

/** For the log: an error unchanged; any other thrown value wrapped in an error. */
function describe (thrown: unknown): unknown {
  try {
    return thrown instanceof Error ? thrown : new Error(`thrown: ${String(thrown)}`)
  } catch {
    return new Error('thrown: a value that cannot be read')
  }
}
