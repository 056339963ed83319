/**
 * The decision event: what was decided about a caller, said once. The log line, audit, metrics and traces
 * observe it.
 */
import type { LoggableError } from '../log/serialize-error.js'

/**
 * What was decided. Of a request: `refused` before it was dispatched, `limited` by a limit, `called` as a JSON-RPC
 * message, `served` as anything else. The others change what callers may do, or tell of the server itself.
 */
export type DecisionKind =
  | 'refused' | 'limited' | 'called' | 'served'
  | 'token-minted' | 'token-claimed' | 'token-revoked' | 'subject-revoked'
  | 'key-created' | 'key-changed' | 'key-rotated' | 'key-disabled' | 'key-enabled' | 'key-revoked' | 'key-removed'
  | 'grant-created' | 'grant-revoked' | 'client-created' | 'client-revoked'
  | 'session-opened' | 'session-closed'
  | 'configured' | 'frozen' | 'thawed' | 'address-unlocked'
  | 'audit-opened' | 'audit-closed' | 'audit-dropped'

/** `allowed`: it was done. `denied`: the caller may not. `failed`: it may, and it came to nothing. */
export type Outcome = 'allowed' | 'denied' | 'failed'

/** All of it is plain data, but `arguments`. What a caller chose is bounded, and holds no control character. */
export interface Decision {
  readonly kind: DecisionKind
  readonly outcome: Outcome
  /** When it was decided, in milliseconds since the epoch. */
  readonly at: number
  readonly requestId?: string | undefined

  // Who. Absent where nobody is known.
  readonly address?: string | undefined
  readonly principal?: string | undefined
  readonly credential?: 'api-key' | 'jwt' | undefined
  readonly keyId?: string | undefined
  readonly tokenId?: string | undefined
  /** The `client_id` of the OAuth client that calls in the caller's name; `tokenId` is its grant then. */
  readonly oauthClient?: string | undefined
  /** The name and version that the client gives itself, as in `inspector/1.2.0`. */
  readonly client?: string | undefined

  // What was asked.
  readonly era?: 'legacy' | 'modern' | undefined
  /** The protocol revision, as the caller wrote it. */
  readonly revision?: string | undefined
  /** The method of JSON-RPC. */
  readonly method?: string | undefined
  readonly itemKind?: 'tool' | 'prompt' | 'resource' | undefined
  /** The name of the tool or prompt, the URI of the resource without its query; as the caller wrote it. */
  readonly item?: string | undefined
  /** The message is one of a batch; `result` is that of the whole batch. */
  readonly batch?: { readonly size: number, readonly index: number, readonly result: string | undefined } | undefined
  /** The arguments of a tool, for a digest; `loggable` are the names of those whose values may stand on record. */
  readonly arguments?: (() => CallArguments) | undefined

  /** The span of the message, for the tracing alone. */
  readonly span?: Pick<MessageSpan, 'end'> | undefined

  // What came of it.
  /** Of a message: `ok`, `tool-error`, or the code of a refusal. `undefined` where there was no answer. */
  readonly result?: string | undefined
  readonly code?: string | undefined
  /** Why, in a word of a fixed set. */
  readonly why?: string | undefined
  /** More about it, for the log alone. */
  readonly reason?: string | undefined
  readonly ms?: number | undefined
  readonly http?: HttpPart | undefined
  /** The cause of an internal error, for the log alone. */
  readonly fault?: LoggableError | undefined
  /** The cause of a refusal, such as a store that cannot be reached; for the log alone. */
  readonly cause?: LoggableError | undefined
  /** What else there is to say, by kind. No credential, and no argument. */
  readonly about?: Readonly<Record<string, unknown>> | undefined
}

/** What a span is begun for. */
export interface TracedMessage {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
  readonly id: string | number | undefined
  /** Without a request the app makes the call itself: there is no client at the other end. */
  readonly caller: {
    readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined
    readonly request?: object
  }
}

/** The span of a message, where it is traced. */
export interface MessageSpan {
  /** Begins the span of a call that the handler of this one makes. */
  begin: (message: TracedMessage) => MessageSpan
  /** Runs `work` within it, so that what `work` calls joins the trace. */
  run: <T>(work: () => T) => T
  /** The headers by which a request to elsewhere joins the trace. */
  headers: () => Readonly<Record<string, string>>
  end: (outcome: SpanOutcome) => void
}

/** What a span tells of how its message ended. */
export type SpanOutcome = Pick<
  Decision,
  'method' | 'itemKind' | 'item' | 'revision' | 'result' | 'address' | 'requestId' | 'era' | 'http'
> & { readonly fault?: unknown }

export interface CallArguments {
  readonly values: unknown
  readonly loggable: readonly string[]
}

export interface HttpPart {
  /** Absent where no request could be read. */
  readonly method?: string | undefined
  /** Without its query, and bounded. */
  readonly path?: string | undefined
  readonly status: number
  /** The caller left before the answer was complete. */
  readonly isCut: boolean
  /** A machine that asks again and again, and hears that all is well. */
  readonly isGoodProbe: boolean
}

/** Takes decisions. It must not throw or wait. A decision is frozen: no observer is seen by another. */
export interface Observer {
  note: (decision: Decision) => void
}
