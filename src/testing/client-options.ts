/** The options of a test client: who calls, and how it answers questions. */
import type { Eventually } from '../lib/eventually.js'
import type { PrincipalFields } from '../principal/principal.js'
import type { ElicitAnswer, SampleAnswer, ToolSampleAnswer } from '../tools/client-requests.js'
import type { JsonSchema } from '../tools/content.js'
import type { JsonObject } from './inject-mcp.js'

export interface TestClientOptions {
  /** The path of the endpoint, including the prefix of its scope. Default `/mcp`. */
  readonly url?: string
  /** An API key. Set at most one of `key`, `token` and `principal`; without any the client is anonymous. */
  readonly key?: string
  /** A token. */
  readonly token?: string
  /**
   * A caller without a credential: the endpoint treats this principal as verified. The defaults are the role
   * `user` and no scopes.
   */
  readonly principal?: Pick<PrincipalFields, 'id'> & Partial<PrincipalFields>
  /** Additional headers for every request. */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * `modern` (default) is revision 2026-07-28. `legacy` is 2025-11-25, in a session if the endpoint has
   * sessions.
   */
  readonly era?: 'modern' | 'legacy'
  /** The name and version that the client reports. */
  readonly clientInfo?: { readonly name: string; readonly version: string }
  /** Answers on behalf of the user. Default: the client does not support questions. */
  readonly onElicit?: (request: {
    readonly message: string
    readonly schema?: JsonSchema
    readonly url?: string
  }) => Eventually<ElicitAnswer>
  /** Answers on behalf of the model. Default: the client has no model. */
  readonly onSample?: (request: JsonObject) => Eventually<SampleAnswer | ToolSampleAnswer>
  /** The workspace roots. Default: none. */
  readonly roots?: ReadonlyArray<{ readonly uri: string; readonly name?: string }>
}
