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
  /** Limits and rights of tools, over those they were written with. A name that no tool has stops the boot. */
  readonly toolPolicies?: ToolPolicies
  /** Name and version told to clients. */
  readonly info?: ServerInfo
  /** Told to the client's model when it connects. */
  readonly instructions?: string
  /** Milliseconds that a call may take. Default 60,000. */
  readonly requestTimeoutMs?: number
  /** Bytes of a body. Default 1 MiB. */
  readonly bodyLimit?: number
  /** Bytes of the result of a tool that has no `maxResultBytes` of its own. Default 1 MiB. */
  readonly resultLimit?: number
  /**
   * Tell in lists that each tool is called with OAuth, and with which scopes, as ChatGPT asks for. Default false; with
   * `mcpAuth` true where clients are told where to sign in.
   */
  readonly securitySchemes?: boolean
  /** Default `/mcp`. */
  readonly path?: string
  /** The protocol eras to serve. Default both. */
  readonly eras?: readonly EraName[]
  /** Sessions for clients of the 2025 revisions: `true` for the defaults. Default off, every request stands alone. */
  readonly sessions?: boolean | SessionsOptions
  /** Long-lived streams that one caller may hold. Default 16. */
  readonly maxStreamsPerPrincipal?: number
  /**
   * Signs what callers carry between the rounds of one call; at least 32 bytes, the same on every
   * instance behind one address. Default: random, good for this process; with `mcpAuth` made of `jwtSecret`
   * where there is one.
   */
  readonly stateKey?: Uint8Array
  /**
   * End the streams of credentials that are good no longer. Default none: a stream ends when its credential
   * said it would.
   */
  readonly watches?: readonly CredentialWatch[]
  /** Whether a tool of this name may be added after the start: `toolPolicies` may name it. Default none. */
  readonly laterTools?: (name: string) => boolean
  /** Where the calls of tools with limits are counted. Default in the memory of this process. */
  readonly limits?: Limits
  /** How many bytes of answers may wait for callers that do not read them, and for how long. */
  readonly unread?: UnreadOptions
  /** Between the instances that serve the same endpoint. Default there are no others. */
  readonly bus?: Bus
  /** What may be used once among those instances. Default in the memory of this process. */
  readonly oneTime?: OneTimeStore
  /** Where sessions are kept. Default in the memory of this process. */
  readonly sessionStores?: SessionStores
  /** Fastify's own options of the endpoint's route: `config`, `schema`, `constraints`, `logLevel`. Default none. */
  readonly routeOptions?: EndpointRouteOptions
  /** What the operator switched off. Default nothing is. */
  readonly freezes?: FreezeGate
  /** What handlers find in `context.app`. Default nothing. */
  readonly provide?: AppContext
  /**
   * Runs before each call of a tool that its caller may make, and may refuse it by throwing. More by
   * `endpoint.beforeCall`.
   */
  readonly beforeCall?: BeforeCall
  /** Told how each call of a tool ended. More by `endpoint.afterCall`. */
  readonly afterCall?: AfterCall
  /** Takes the running endpoint: `app.mcp` is out of reach where the chain stands in a scope of its own. */
  readonly onEndpoint?: (endpoint: Endpoint) => void
}
