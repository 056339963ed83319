/** Ends streams and calls whose credential is no longer valid. */
import type { Refusal } from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { RunningCalls } from '../exchange/running-calls.js'
import type { Holder, Streams } from './streams.js'

/** Tells whether a credential that was valid when a stream began is still valid. */
export interface CredentialWatch {
  /**
   * A watch that throws counts as `false`. `address`: the caller's, if a stream is open; before that, the address was
   * checked with the request.
   */
  readonly stillGood: (principal: Principal, address?: string) => boolean
  /** Calls `listener` when the result may have changed. Returns a function that unsubscribes. */
  readonly onChange: (listener: () => void) => () => void
}

/**
 * How long a call without output may outlive its credential, so that callers who revoke their own credential still
 * get the answer.
 */
const revokerGraceMs = 250

export interface CredentialWatchesOptions {
  readonly watches: readonly CredentialWatch[]
  /** Creates the refusal for a caller whose credential was valid when the request arrived. */
  readonly refusal: () => Refusal
  /** Called when a watch throws. */
  readonly report: (error: unknown, principal: Principal) => void
}

export class CredentialWatches {
  readonly #options: CredentialWatchesOptions

  constructor (options: CredentialWatchesOptions) {
    this.#options = options
  }

  /** The refusal for a caller whose credential has expired, or was rejected by a watch. */
  overFor (principal: Principal, address?: string): Refusal | undefined {
    const { expiresAt = Infinity } = principal
    return expiresAt > Date.now() && this.#isGood(principal, address) ? undefined : this.#options.refusal()
  }

  /** Ends streams and calls on each change of a watch. Returns a function that stops this. */
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

  /** Watches are also called from timers, where an error would end the process. */
  #isGood (principal: Principal, address: string | undefined): boolean {
    for (const watch of this.#options.watches) {
      try {
        if (!watch.stillGood(principal, address)) return false
      } catch (error) {
        this.#options.report(error, principal)
        return false
      }
    }
    return true
  }
}
