/**
 * The decision event: emitted once for each decision about a caller. The log line, audit, metrics and traces
 * observe it.
 */
import type { LoggableError } from '../log/serialize-error.js'

/**
 * The kind of a decision. For requests: `refused` before dispatch, `limited` by a limit, `called` as a
 * JSON-RPC message, `served` as anything else. The other kinds change what callers may do, or concern the
 * server itself.
 */
export type DecisionKind =
  | 'refused' | 'limited' | 'called' | 'served'
  | 'token-minted' | 'token-claimed' | 'token-revoked' | 'subject-revoked'
  | 'key-created' | 'key-changed' | 'key-rotated' | 'key-disabled' | 'key-enabled' | 'key-revoked' | 'key-removed'
  | 'grant-created' | 'grant-revoked' | 'client-created' | 'client-revoked'
  | 'session-opened' | 'session-closed'
  | 'configured' | 'frozen' | 'thawed' | 'address-unlocked'
  | 'audit-opened' | 'audit-closed' | 'audit-dropped'

/** `allowed`: it succeeded. `denied`: the caller may not do it. `failed`: it was permitted, but failed. */
export type Outcome = 'allowed' | 'denied' | 'failed'

/** Plain data, except `arguments`. Text from a caller is bounded and contains no control characters. */
export interface Decision {
  readonly kind: DecisionKind
  readonly outcome: Outcome
  /** When it was decided, in milliseconds since the epoch. */
  readonly at: number
  readonly requestId?: string | undefined

  // Who. Absent if the caller is not known.
  readonly address?: string | undefined
  readonly principal?: string | undefined
  readonly credential?: 'api-key' | 'jwt' | undefined
  readonly keyId?: string | undefined
  readonly tokenId?: string | undefined
  /** The `client_id` of the OAuth client that calls on behalf of the caller. `tokenId` is then its grant. */
  readonly oauthClient?: string | undefined
  /** The client's self-reported name and version, such as `inspector/1.2.0`. */
  readonly client?: string | undefined

  // What was requested.
  readonly era?: 'legacy' | 'modern' | undefined
  /** The protocol revision, as sent by the caller. */
  readonly revision?: string | undefined
  /** The JSON-RPC method. */
  readonly method?: string | undefined
  readonly itemKind?: 'tool' | 'prompt' | 'resource' | undefined
  /** The name of the tool or prompt, or the URI of the resource without its query, as sent by the caller. */
  readonly item?: string | undefined
  /** The message belongs to a batch. `result` is that of the whole batch. */
  readonly batch?: { readonly size: number, readonly index: number, readonly result: string | undefined } | undefined
  /** The arguments of a tool, for a digest. `loggable` names those whose values may be recorded. */
  readonly arguments?: (() => CallArguments) | undefined

  /** The span of the message. Only for tracing. */
  readonly span?: Pick<MessageSpan, 'end'> | undefined

  // The result.
  /** For a message: `ok`, `tool-error`, or the code of a refusal. `undefined` if there was no answer. */
  readonly result?: string | undefined
  readonly code?: string | undefined
  /** The reason, as a word from a fixed set. */
  readonly why?: string | undefined
  /** The reason in detail. Only for the log. */
  readonly reason?: string | undefined
  readonly ms?: number | undefined
  readonly http?: HttpPart | undefined
  /** The cause of an internal error. Only for the log. */
  readonly fault?: LoggableError | undefined
  /** The cause of a refusal, such as a store that cannot be reached. Only for the log. */
  readonly cause?: LoggableError | undefined
  /** Details that depend on the kind. Contains no credentials and no arguments. */
  readonly about?: Readonly<Record<string, unknown>> | undefined
}

/** The message that a span is started for. */
export interface TracedMessage {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
  readonly id: string | number | undefined
  /** `request` is absent if the app made the call itself: there is no remote client. */
  readonly caller: {
    readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined
    readonly request?: object
  }
}

/** The span of a traced message. Except for `work`, nothing here throws: an SDK's failure is not the caller's. */
export interface MessageSpan {
  /** Starts the span of a nested call by the handler. */
  begin: (message: TracedMessage) => MessageSpan | undefined
  /** Runs `work` in the context of the span, so that its own calls join the trace. */
  run: <T>(work: () => T) => T
  /** The headers that make an outgoing request join the trace. */
  headers: () => Readonly<Record<string, string>>
  end: (outcome: SpanOutcome) => void
}

/** The outcome of a message, as its span records it. */
export type SpanOutcome = Pick<
  Decision,
  'method' | 'itemKind' | 'item' | 'revision' | 'result' | 'address' | 'requestId' | 'era' | 'http'
> & { readonly fault?: unknown }

export interface CallArguments {
  readonly values: unknown
  readonly loggable: readonly string[]
}

export interface HttpPart {
  /** Absent if no request could be parsed. */
  readonly method?: string | undefined
  /** The path without the query, of bounded length. */
  readonly path?: string | undefined
  readonly status: number
  /** The caller disconnected before the answer was complete. */
  readonly isCut: boolean
  /** A health probe that was answered with success. */
  readonly isGoodProbe: boolean
}

/**
 * Receives decisions. It must not throw or wait. Decisions are frozen, so observers cannot affect each other.
 */
export interface Observer {
  note: (decision: Decision) => void
}
