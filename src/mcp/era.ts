/** The interface of a protocol era; each era is a directory that implements it. */
import type { Principal } from '../principal/principal.js'
import type { Exchange } from './exchange/exchange.js'
import type { Reply } from './wire/reply.js'

/** `legacy`: revisions up to 2025-11-25; `modern`: 2026-07-28. */
export type EraName = 'legacy' | 'modern'

/** A request to the endpoint, authenticated and parsed. Header names are in lower case. */
export interface McpRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
  readonly principal: Principal
  /** The fields for the log. */
  readonly requestId?: string
  /** The address of the caller, as the host determined it. */
  readonly address?: string | undefined
  /** Called with the era that serves the request. */
  readonly servedBy?: (era: EraName) => void
  /** Called with the name that the client of the session reports. */
  readonly sentBy?: (client: { readonly name: string, readonly version: string }) => void
  /** Creates the exchange of one message. The first one is already charged to the caller's limit. */
  readonly open: () => Exchange
  /** Charges `cost` to the caller's limit, or throws a refusal. */
  readonly charge: (cost: number) => Promise<void>
  /** Registers a listener for a caller that disconnects before the reply is complete. */
  readonly onGone: (listener: () => void) => void
}

export interface Era {
  /** Serves a request of this era. Throws a refusal, or rejects with one, if it cannot be served. */
  serve: (incoming: McpRequest) => Reply | Promise<Reply>
  /** No more requests will arrive: ends the calls that wait for one. */
  quiesce: () => void
  close: () => Promise<void>
  /** The current numbers of this era. */
  gauges: () => EraGauges
}

export interface EraGauges {
  /** SDK servers. */
  readonly idle: number
  readonly busy: number
  readonly discards: number
  readonly sessions?: number | undefined
}
