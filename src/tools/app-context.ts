/** What a handler gets from the app: its log, the request, and the app's own objects. */

/**
 * What an app gives its handlers, as `context.app`. An app names its own:
 *
 * @example
 * declare module 'fastify-mcp-auth' {
 *   interface AppContext { db: Database }
 * }
 * await app.register(mcpAuth, { provide: { db }, tools })
 */
export interface AppContext {
  readonly [name: string]: unknown
}

export interface LogFunction {
  (fields: object, message?: string): void
  (message: string): void
}

/** The server's log, each line with the id of the request: what pino and Fastify call a child logger. */
export interface CallLogger {
  readonly trace: LogFunction
  readonly debug: LogFunction
  readonly info: LogFunction
  readonly warn: LogFunction
  readonly error: LogFunction
  readonly fatal: LogFunction
  readonly child: (bindings: Record<string, unknown>) => CallLogger
}

/** Where a call came from. Frozen, and without its credential. */
export interface CallRequest {
  /** The address of the caller, as the limits count it; empty for calls in process. */
  readonly address: string
  /** In lower case, without those that carry credentials. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** The session of the 2025 revisions, where there is one. */
  readonly sessionId: string | undefined
  /** What the client calls itself; `undefined` where it has not said so. */
  readonly client: { readonly name: string, readonly version: string } | undefined
  /** `legacy`: revisions up to 2025-11-25; `modern`: 2026-07-28. `undefined` for calls in process. */
  readonly era: 'legacy' | 'modern' | undefined
}
