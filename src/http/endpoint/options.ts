/** The options of an endpoint. */
import type { Bus } from '../../fleet/bus.js'
import type { FreezeGate } from '../../freeze/freezes.js'
import type { Limits } from '../../limits/limits.js'
import type { AfterCall, BeforeCall } from '../../mcp/calls/call-hooks.js'
import type { ServerInfo } from '../../mcp/catalog/catalog.js'
import type { Endpoint } from '../../mcp/endpoint.js'
import type { EraName } from '../../mcp/era-router.js'
import type { SessionStores, SessionsOptions } from '../../mcp/legacy/sessions/sessions.js'
import type { CredentialWatch } from '../../mcp/streams/credential-watch.js'
import type { OneTimeStore } from '../../tokens/one-time-store.js'
import type { App } from '../../tools/app.js'
import type { AppContext } from '../../tools/app-context.js'
import type { Prompt } from '../../tools/prompt.js'
import type { Resource } from '../../tools/resource.js'
import type { Tool } from '../../tools/tool.js'
import type { ToolPolicies } from '../../tools/tool-policies.js'
import type { EndpointRouteOptions } from './route-options.js'
import type { UnreadOptions } from './unread.js'

export interface McpOptions {
  readonly tools?: readonly Tool[]
  readonly resources?: readonly Resource[]
  readonly prompts?: readonly Prompt[]
  /** Tools with a page that shows their results, as `defineApp` makes them. */
  readonly apps?: readonly App[]
  /** Limits and rights of tools, on top of those in the code. An unknown tool name stops the start. */
  readonly toolPolicies?: ToolPolicies
  /** Name and version, sent to clients. */
  readonly info?: ServerInfo
  /** Instructions for the client's model, sent when it connects. */
  readonly instructions?: string
  /** The deadline for a call, in milliseconds. Default 60,000. */
  readonly requestTimeoutMs?: number
  /** The largest request body, in bytes. Default 1 MiB. */
  readonly bodyLimit?: number
  /** The largest result of a tool without its own `maxResultBytes`, in bytes. Default 1 MiB. */
  readonly resultLimit?: number
  /**
   * Add OAuth security schemes with scopes to tools in lists, as ChatGPT requires. Default false; with
   * `mcpAuth`, true if clients are told where to sign in.
   */
  readonly securitySchemes?: boolean
  /** Default `/mcp`. */
  readonly path?: string
  /** The protocol eras to serve. Default: both. */
  readonly eras?: readonly EraName[]
  /** Sessions for clients of the 2025 revisions; `true` uses the defaults. Default: off. */
  readonly sessions?: boolean | SessionsOptions
  /** How many long-lived streams a caller may hold. Default 16. */
  readonly maxStreamsPerPrincipal?: number
  /**
   * Signs the state that callers carry between the rounds of a call; at least 32 bytes, the same on every
   * instance behind one address. Default: random for this process; with `mcpAuth`, derived from `jwtSecret`
   * if that is set.
   */
  readonly stateKey?: Uint8Array
  /** End the streams of credentials that are no longer valid. Default: a stream ends when it expires. */
  readonly watches?: readonly CredentialWatch[]
  /** Whether a tool of this name may be added later, so that `toolPolicies` may name it. Default: none. */
  readonly laterTools?: (name: string) => boolean
  /** Where calls of tools with limits are counted. Default: in the memory of this process. */
  readonly limits?: Limits
  /** Limits for unread response data: how much may wait, and for how long. */
  readonly unread?: UnreadOptions
  /** The bus between the instances of the endpoint. Default: there is only one instance. */
  readonly bus?: Bus
  /** Records what may be used only once across instances. Default: in the memory of this process. */
  readonly oneTime?: OneTimeStore
  /** Where sessions are stored. Default: in the memory of this process. */
  readonly sessionStores?: SessionStores
  /** Fastify's own options for the endpoint's route: `config`, `schema`, `constraints`, `logLevel`. Default: none. */
  readonly routeOptions?: EndpointRouteOptions
  /** What the operator switched off. Default: nothing. */
  readonly freezes?: FreezeGate
  /** The value of `context.app` in handlers. Default: none. */
  readonly provide?: AppContext
  /**
   * Runs before each permitted tool call, and may refuse it by throwing. Add more hooks with
   * `endpoint.beforeCall`.
   */
  readonly beforeCall?: BeforeCall
  /** Runs after each tool call. Add more hooks with `endpoint.afterCall`. */
  readonly afterCall?: AfterCall
  /** Receives the running endpoint, because `app.mcp` is not visible outside the scope of the chain. */
  readonly onEndpoint?: (endpoint: Endpoint) => void
}
