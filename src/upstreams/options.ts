/** Validates the configured upstreams and adds the defaults. */
import { z } from '../lib/zod.js'
import { isRecord } from '../lib/guards.js'
import { longestTimerMs } from '../lib/timers.js'
import { SettingFileError } from '../lib/setting-file-error.js'
import type { AccessRule } from '../principal/access.js'
import { callerMark, Interpolation, UnsetVariableError } from './transport/interpolation.js'
import type { TransportSettings } from './transport/settings.js'

/** The configuration of the upstreams is not valid. The message names the upstream and the member. */
export class UpstreamError extends SettingFileError {
  override readonly name = 'UpstreamError'
}

/** One MCP server behind this one: the members that clients use under `mcpServers`, and some more. */
export interface UpstreamOptions extends Omit<TransportSettings, 'type'> {
  /** Default: `stdio` with `command`, otherwise `http`. `sse` is the old transport with two endpoints. */
  readonly type?: TransportSettings['type'] | undefined
  /**
   * Prefix of all names. Default: the name of the upstream and `_`, or no prefix if there is only one
   * upstream.
   */
  readonly prefix?: string | undefined
  /** Original names of the items to serve. Default: all. */
  readonly include?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  /** Maps original names to names for callers, which replace the prefixed name. */
  readonly rename?: Readonly<Record<string, string>> | undefined
  /**
   * `caller`: a process or session for each principal, which is the default for stdio. `all`: one for all
   * principals, which is the default for HTTP.
   */
  readonly share?: 'caller' | 'all' | undefined
  /** Maximum number of processes or sessions at a time. Default 16. */
  readonly maxProcesses?: number | undefined
  /** Milliseconds without a call after which a process or session is ended. Default 300,000. */
  readonly idleMs?: number | undefined
  /** Milliseconds for the start and the handshake. Default 30,000. */
  readonly startTimeoutMs?: number | undefined
  /** Access rule for all items of the upstream. Default: none. */
  readonly access?: AccessRule | undefined
  /** For `share: "all"`: start it with the server and keep it running. Default false. */
  readonly eager?: boolean | undefined
  /** While it is unavailable, `/ready` answers 503. Default false. */
  readonly required?: boolean | undefined
  /** `caller`: forward the roots of the caller. Default: the upstream gets no roots. */
  readonly roots?: 'caller' | undefined
  /** Sends the id of the caller in the `_meta` of each request. Never a credential. Default false. */
  readonly identityMeta?: boolean | undefined
}

export interface UpstreamsOptions {
  readonly mcpServers: Readonly<Record<string, UpstreamOptions>>
  /** Values for `${NAME}` in the configuration. Default: `${NAME}` is not replaced. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /** File with the approved tool definitions. Tools that differ from it are not served. Default: none. */
  readonly lockFile?: string | undefined
  /** Maximum size of a result in bytes. Larger ones are refused. Default 8 MiB. */
  readonly maxResultBytes?: number | undefined
}

type Variables = Readonly<Record<string, string | undefined>>

/** An upstream with its defaults. */
export interface Upstream extends Omit<
  UpstreamOptions,
  'type' | 'prefix' | 'share' | 'maxProcesses' | 'idleMs' | 'startTimeoutMs' | 'eager' | 'required'
> {
  readonly name: string
  readonly type: TransportSettings['type']
  readonly prefix: string
  readonly share: 'caller' | 'all'
  readonly maxProcesses: number
  readonly idleMs: number
  readonly startTimeoutMs: number
  readonly eager: boolean
  readonly required: boolean
  /** The values of the replaced variables. They must not be logged. */
  readonly secrets: readonly string[]
}

const count = z.int().min(1)
const texts = z.record(z.string(), z.string())
const shape = z.strictObject({
  type: z.enum(['stdio', 'http', 'sse', 'streamable-http']).optional(),
  command: z.string().min(1).optional(),
  args: z.array(z.string()).optional(),
  env: texts.optional(),
  cwd: z.string().min(1).optional(),
  url: z.string().optional(),
  headers: texts.optional(),
  prefix: z.string().regex(/^[A-Za-z0-9_.-]*$/, 'must be letters, digits, `_`, `.` and `-`').optional(),
  include: z.array(z.string()).optional(),
  exclude: z.array(z.string()).optional(),
  rename: texts.optional(),
  share: z.enum(['caller', 'all']).optional(),
  maxProcesses: count.optional(),
  idleMs: count.optional(),
  // A longer timer of Node would end at once.
  startTimeoutMs: count.max(longestTimerMs).optional(),
  access: z.custom<AccessRule>(isAccessRule, 'must be an object of `roles`, `scopes`, `denied` and `allow`').optional(),
  eager: z.boolean().optional(),
  required: z.boolean().optional(),
  roots: z.literal('caller').optional(),
  identityMeta: z.boolean().optional(),
  identityHeader: z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be the name of a header').optional()
})

/** Checks only the names of the members. The values are checked when the items are added to the endpoint. */
function isAccessRule (value: unknown): boolean {
  return isRecord(value) && Object.keys(value).every(key => ['roles', 'scopes', 'denied', 'allow'].includes(key))
}

const namePattern = /^[A-Za-z0-9_.-]{1,64}$/
/** Header names that are used for credentials or by the transport. */
const notIdentity: ReadonlySet<string> = new Set([
  'authorization', 'cookie', 'x-api-key', 'proxy-authorization', 'host', 'content-type', 'content-length', 'accept',
  'connection', 'transfer-encoding', 'mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'last-event-id'
])

/**
 * Validates `mcpServers`. Replaces `${NAME}` in `command`, `args`, `env`, `cwd`, `url` and `headers` by the value in
 * `environment`, if there is one. Throws an `UpstreamError` for an unknown member, an invalid value, or a
 * variable that is not set.
 */
export function readUpstreams (given: unknown, environment?: Variables): readonly Upstream[] {
  const servers = z.looseObject({ mcpServers: z.record(z.string(), z.unknown()) }).safeParse(given)
  if (!servers.success) {
    throw new UpstreamError(
      'The upstreams must be an object with `mcpServers`: { "mcpServers": { "files": { "command": "…" } } }'
    )
  }
  // Not `servers.data`: zod drops the name `__proto__`.
  const entries = Object.entries((given as { mcpServers: Record<string, unknown> }).mcpServers)
  return entries.map(([name, options]) => readUpstream(name, options, entries.length === 1, environment))
}

function readUpstream (name: string, given: unknown, isAlone: boolean, environment: Variables | undefined): Upstream {
  const owner = `Upstream ${JSON.stringify(name)}`
  if (!namePattern.test(name)) {
    throw new UpstreamError(`${owner}: a name must be 1 to 64 letters, digits, \`_\`, \`.\` or \`-\``)
  }
  const parsed = shape.safeParse(given)
  if (!parsed.success) throw new UpstreamError(`${owner}: ${problemOf(parsed.error, given)}`)
  const { type: givenType, ...options } = parsed.data
  const { texts: filledIn, secrets } = filled(owner, options, environment)
  const type = typeOf(owner, givenType, options)
  const share = options.share ?? (type === 'stdio' ? 'caller' : 'all')
  requireFitting(owner, type, share, filledIn)
  return {
    ...filledIn,
    name,
    type,
    share,
    prefix: options.prefix ?? (isAlone ? '' : `${name}_`),
    maxProcesses: options.maxProcesses ?? 16,
    idleMs: options.idleMs ?? 300_000,
    startTimeoutMs: options.startTimeoutMs ?? 30_000,
    eager: options.eager ?? false,
    required: options.required ?? false,
    secrets
  }
}

const filledMembers = ['command', 'args', 'env', 'cwd', 'url', 'headers'] as const

function filled (
  owner: string,
  options: UpstreamOptions,
  environment: Variables | undefined
): { readonly texts: UpstreamOptions, readonly secrets: readonly string[] } {
  if (environment === undefined) return { texts: options, secrets: [] }
  const interpolation = new Interpolation(environment)
  try {
    const entries = filledMembers.flatMap(member =>
      options[member] === undefined ? [] : [[member, interpolation.fill(options[member])] as const]
    )
    return { texts: { ...options, ...Object.fromEntries(entries) }, secrets: interpolation.secrets }
  } catch (error) {
    if (error instanceof UnsetVariableError) throw new UpstreamError(`${owner}: ${error.message}`)
    throw error
  }
}

function typeOf (
  owner: string,
  given: string | undefined,
  { command, url }: UpstreamOptions
): Upstream['type'] {
  if ((command === undefined) === (url === undefined)) {
    throw new UpstreamError(`${owner}: set either \`command\` or \`url\``)
  }
  if (given === undefined) return command === undefined ? 'http' : 'stdio'
  if ((given === 'stdio') !== (command !== undefined)) {
    throw new UpstreamError(
      `${owner}: type ${given} does not work with \`${command === undefined ? 'url' : 'command'}\``
    )
  }
  return given === 'streamable-http' ? 'http' : given as Upstream['type']
}

function requireFitting (
  owner: string,
  type: Upstream['type'],
  share: Upstream['share'],
  { command, url, env, args, cwd, headers, eager, identityHeader }: UpstreamOptions
): void {
  const foreign = type === 'stdio' ? { headers, identityHeader } : { args, env, cwd }
  for (const [member, value] of Object.entries(foreign)) {
    if (value !== undefined) {
      throw new UpstreamError(
        `${owner}: \`${member}\` does not work with \`${type === 'stdio' ? 'command' : 'url'}\``
      )
    }
  }
  if (url !== undefined && !/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : '')) {
    throw new UpstreamError(`${owner}: \`url\` must be an http or https address`)
  }
  if (url !== undefined && (new URL(url).username !== '' || new URL(url).password !== '')) {
    throw new UpstreamError(`${owner}: put credentials into \`headers\`, not into \`url\``)
  }
  if (share === 'all' && JSON.stringify({ args, env, cwd }).includes(callerMark)) {
    throw new UpstreamError(`${owner}: \`${callerMark}\` requires \`"share": "caller"\``)
  }
  if (JSON.stringify({ command, url, headers }).includes(callerMark)) {
    throw new UpstreamError(`${owner}: \`${callerMark}\` works in \`args\`, \`env\` and \`cwd\` only`)
  }
  for (const [header, value] of Object.entries(headers ?? {})) {
    if (isHeader(header, value)) continue
    // Without the value, which may be a secret.
    throw new UpstreamError(`${owner}: \`headers.${header}\`: must be the name and value of a header`)
  }
  if (eager === true && share === 'caller') throw new UpstreamError(`${owner}: \`eager\` needs \`"share": "all"\``)
  if (identityHeader === undefined) return
  if (notIdentity.has(identityHeader.toLowerCase())) {
    throw new UpstreamError(
      `${owner}: \`identityHeader\` must not be ${identityHeader}; use your own name, such as X-Caller`
    )
  }
  if (Object.keys(headers ?? {}).some(header => header.toLowerCase() === identityHeader.toLowerCase())) {
    throw new UpstreamError(`${owner}: \`identityHeader\` must not be one of \`headers\``)
  }
  if (share === 'all') throw new UpstreamError(`${owner}: \`identityHeader\` requires \`"share": "caller"\``)
}

function isHeader (name: string, value: string): boolean {
  try {
    return new Headers([[name, value]]).has(name)
  } catch {
    return false
  }
}

function problemOf (error: z.ZodError, given: unknown): string {
  const [issue] = error.issues
  if (issue === undefined || !isRecord(given)) return 'must be an object'
  if (issue.code === 'unrecognized_keys') {
    const names = Object.keys(shape.shape).join(', ')
    return `unknown member \`${issue.keys.join('`, `')}\`; the members are ${names}`
  }
  return `\`${issue.path.join('.')}\`: ${issue.message}`
}
