/** Ends streams and calls whose credential is no longer good. */
import type { Refusal } from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { RunningCalls } from '../exchange/running-calls.js'
import type { Holder, Streams } from './streams.js'

/** Knows whether a credential that was good when a stream began is still good. */
export interface CredentialWatch {
  /**
   * A watch that throws says no. `address` is the caller's, where a stream is open; before that, the request
   * itself was judged by it.
   */
  readonly stillGood: (principal: Principal, address?: string) => boolean
  /** Calls `listener` when the answer may have changed. Returns how to end that. */
  readonly onChange: (listener: () => void) => () => void
}

/**
 * How long a call that has said nothing yet outlives its credential: whoever revokes their own hears that
 * it is done.
 */
const revokerGraceMs = 250

export interface CredentialWatchesOptions {
  readonly watches: readonly CredentialWatch[]
  /** Makes the refusal of a caller whose credential was good when the request arrived. */
  readonly refusal: () => Refusal
  /** Told of a watch that threw. */
  readonly report: (error: unknown, principal: Principal) => void
}

export class CredentialWatches {
  readonly #options: CredentialWatchesOptions

  constructor (options: CredentialWatchesOptions) {
    this.#options = options
  }

  /** The refusal of a caller whose credential has expired, or that a watch says no to. */
  overFor (principal: Principal, address?: string): Refusal | undefined {
    const { expiresAt = Infinity } = principal
    return expiresAt > Date.now() && this.#isGood(principal, address) ? undefined : this.#options.refusal()
  }

  /** Ends what is over with each change of a watch. Returns how to stop that. */
  follow (streams: Streams, running: RunningCalls): () => void {
    const isOver = ({ principal, address }: Holder): boolean => !this.#isGood(principal, address)
    const { watches, refusal } = this.#options
    const stops = watches.map(watch => watch.onChange(() => {
      streams.endWhere(open => open.isStanding && isOver(open))
      running.endWhere(call => call.isStreaming && isOver(call.caller), refusal)
      setTimeout(() => {
        streams.endWhere(isOver)
        running.endWhere(call => isOver(call.caller), refusal)
      }, revokerGraceMs).unref()
    }))
    return () => { for (const stop of stops) stop() }
  }

  /** A watch is asked from timers, too, where an error would end the process. */
  #isGood (principal: Principal, address: string | undefined): boolean {
    return this.#options.watches.every(watch => {
      try {
        return watch.stillGood(principal, address)
      } catch (error) {
        this.#options.report(error, principal)
        return false
      }
    })
  }
}
