/** How a message ends: with a refusal, with the result of a tool that failed, or well. */
import { isRefusal, type Refusal } from '../../errors.js'
import { faultOf, toRefusal } from '../../to-refusal.js'

export class Ending {
  #refusal: Refusal | undefined
  /** Why a tool failed; empty where it said so itself. */
  #toolFailure: { readonly refusal: Refusal | undefined } | undefined
  #fault: unknown

  /** The refusal that the message was answered with, for the status and the headers of the reply. */
  get refusal (): Refusal | undefined { return this.#refusal }
  /** The cause of an internal error, for the log alone. */
  get fault (): unknown { return this.#fault }

  /** `tool-error`, or the code of the refusal. `undefined` where there is neither. */
  get failure (): string | undefined {
    return this.#refusal?.code ?? (this.#toolFailure === undefined ? undefined : 'tool-error')
  }

  /**
   * Why the message came to nothing: its refusal, or what a tool failed by. `undefined` where all is well,
   * or a tool said no itself.
   */
  get why (): Refusal | undefined {
    return this.#refusal ?? this.#toolFailure?.refusal
  }

  /**
   * The message is answered with a refusal: with `error` where it is one, else with an internal error whose
   * cause is for the log.
   */
  refuse (error: unknown): Refusal {
    const refusal = this.#refusalFor(error)
    this.#refusal = refusal
    return refusal
  }

  /**
   * The message is answered with the result of a tool that failed: by `cause`, or by its own words where
   * that is left out.
   */
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

/** For the log: an error as it is; what else was thrown, as an error that says so. */
function describe (thrown: unknown): unknown {
  try {
    return thrown instanceof Error ? thrown : new Error(`thrown: ${String(thrown)}`)
  } catch {
    return new Error('thrown: a value that cannot be read')
  }
}
