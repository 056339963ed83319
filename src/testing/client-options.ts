/** Who a test client is, and what it answers for. */
import type { Eventually } from '../lib/eventually.js'
import type { PrincipalFields } from '../principal/principal.js'
import type { ElicitAnswer, SampleAnswer, ToolSampleAnswer } from '../tools/client-requests.js'
import type { JsonSchema } from '../tools/content.js'
import type { Json } from './inject-mcp.js'

export interface TestClientOptions {
  /** Where the endpoint is, with the prefix of its scope. Default `/mcp`. */
  readonly url?: string
  /** An API key. One of the three; without one the client is a stranger. */
  readonly key?: string
  /** A token. */
  readonly token?: string
  /**
   * A caller without a credential: the endpoint takes this principal for verified. Role `user` and no
   * scopes where left out.
   */
  readonly principal?: Pick<PrincipalFields, 'id'> & Partial<PrincipalFields>
  /** Further headers of every request. */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * `modern` (default) is revision 2026-07-28, `legacy` is 2025-11-25, in a session where the endpoint has
   * sessions.
   */
  readonly era?: 'modern' | 'legacy'
  /** What the client calls itself. */
  readonly clientInfo?: { readonly name: string; readonly version: string }
  /** Answers for the person. Left out: there is nobody to ask. */
  readonly onElicit?: (request: {
    readonly message: string
    readonly schema?: JsonSchema
    readonly url?: string
  }) => Eventually<ElicitAnswer>
  /** Answers for the model. Left out: there is none. */
  readonly onSample?: (request: Json) => Eventually<SampleAnswer | ToolSampleAnswer>
  /** The workspace. Left out: there is none. */
  readonly roots?: ReadonlyArray<{ readonly uri: string; readonly name?: string }>
}
