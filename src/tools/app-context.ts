/** Types of what a handler gets from the app: the log, the request, and the app's own objects. */

/**
 * The app's own objects for handlers, as `context.app`. Declare their types:
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

/** A child logger of the server's log. Each line has the request id. */
export interface CallLogger {
  readonly trace: LogFunction
  readonly debug: LogFunction
  readonly info: LogFunction
  readonly warn: LogFunction
  readonly error: LogFunction
  readonly fatal: LogFunction
  readonly child: (bindings: Record<string, unknown>) => CallLogger
}

/** The request of a call. Frozen, and without the credential. */
export interface CallRequest {
  /** The address of the caller; empty for calls in process. */
  readonly address: string
  /** The headers, with names in lower case, without those that carry credentials. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** The session (2025 revisions only), if there is one. */
  readonly sessionId: string | undefined
  /** The client's self-reported name and version; `undefined` if it did not send them. */
  readonly client: { readonly name: string, readonly version: string } | undefined
  /** `legacy`: revisions up to 2025-11-25; `modern`: 2026-07-28. `undefined` for calls in process. */
  readonly era: 'legacy' | 'modern' | undefined
}
