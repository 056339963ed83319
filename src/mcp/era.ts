/** The seam between the bridge and a protocol era: each era is one directory behind this interface. */
import type { Principal } from '../principal/principal.js'
import type { Exchange } from './exchange/exchange.js'
import type { Reply } from './wire/reply.js'

/** `legacy`: revisions up to 2025-11-25; `modern`: 2026-07-28. */
export type EraName = 'legacy' | 'modern'

/** A request to the endpoint, authenticated and parsed. Header names are in lower case. */
export interface Incoming {
  readonly method: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
  readonly principal: Principal
  /** As the log has it. */
  readonly requestId?: string
  /** Where the request came from, as the host knows it. */
  readonly address?: string | undefined
  /** Told which era serves it, once that is known. */
  readonly servedBy?: (era: EraName) => void
  /** Told what the client of its session calls itself. */
  readonly sentBy?: (client: { readonly name: string, readonly version: string }) => void
  /** Makes the exchange of one message; the caller's limit was charged for the first already. */
  readonly open: () => Exchange
  /** Takes `cost` more from the caller's limit, or throws a refusal. */
  readonly charge: (cost: number) => Promise<void>
  /** Called with what must happen when the caller goes away before the reply is complete. */
  readonly onGone: (listener: () => void) => void
}

export interface Era {
  /** Serves a request of this era. Throws a refusal, or rejects with one, where it cannot be served at all. */
  serve: (incoming: Incoming) => Reply | Promise<Reply>
  /** No request comes any more: ends the calls that wait for one. */
  quiesce: () => void
  close: () => Promise<void>
  /** What it holds at the moment. */
  gauges: () => EraGauges
}

export interface EraGauges {
  /** Of SDK servers. */
  readonly idle: number
  readonly busy: number
  readonly discards: number
  readonly sessions?: number | undefined
}
