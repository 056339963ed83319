/** All environment variables, one row each, in step with `.env.example` and `docs/configuration.md`. */
import { bindHost, headerName, origin, publicUrl, servedHost, trustedProxy } from './types/address.js'
import { bytes, duration, filePath, integer, list, LONGEST_MS, oneOf, optional, type Kind } from './types/basic.js'
import { serverName, shortText } from './types/description.js'
import { claimPath, issuerUrl, jwksUrl, scope, word } from './types/provider.js'
import { keyPrefix, redisUrl, workers } from './types/redis.js'
import { formerSecrets, secret, secretList, strongSecret } from './types/secret.js'
import { mintPolicies } from '../tokens/mint-policy.js'

export interface Variable<T> extends Kind<T> {
  /** As one would write it; empty where nothing is set by default. */
  readonly fallback: string
  readonly description: string
  /** True: its value is never printed, only that it is set and how long it is. */
  readonly secret: boolean
}

function variable<T> (kind: Kind<T>, fallback: string, description: string): Variable<T> {
  return { ...kind, fallback, description, secret: false }
}

function hidden<T> (kind: Kind<T>, description: string): Variable<T> {
  return { ...kind, fallback: '', description, secret: true }
}

const count = integer(1, 1_000_000_000)
const milliseconds = integer(1, LONGEST_MS)

export const variables = {
  /** TCP port, 0 to 65535; 0 takes a free one. */
  PORT: variable(integer(0, 65_535), '3000', 'The port; 0 takes a free one and says which.'),
  /** Name or address to bind to, without brackets. */
  HOST: variable(
    bindHost(),
    'localhost',
    'The name or address to bind to. Beyond loopback weak secrets are refused.'
  ),
  /** API keys in clear, each once. */
  API_KEYS: hidden(secretList(), 'API keys, comma-separated. A caller that sends one as `x-api-key` is a user.'),
  /** Path of the file of managed keys; `undefined` where there are none. */
  API_KEYS_FILE: variable(
    optional(filePath()),
    '',
    'The file of managed API keys; the keys command writes it.'
  ),
  API_KEYS_IN: variable(
    oneOf('file', 'redis'),
    'file',
    'Where managed keys are kept: in API_KEYS_FILE, or in the Redis of REDIS_URL.'
  ),
  /** HMAC secret of the HS256 tokens; `undefined` where tokens are off. */
  JWT_SECRET: hidden(optional(secret()), 'The secret that signs and verifies tokens (HS256).'),
  /** Former secrets, whose tokens are still good. */
  JWT_SECRET_PREVIOUS: hidden(
    formerSecrets(),
    'The secrets before a rotation, comma-separated: their tokens stay good until they expire.'
  ),
  /** Seconds. */
  JWT_CLOCK_TOLERANCE: variable(
    integer(0, 600),
    '0',
    'How far clocks may be apart, in seconds, when the times of a token are judged.'
  ),
  /** To the letter as `iss` names it; `undefined` where there is no identity provider. */
  JWT_ISSUER: variable(
    optional(issuerUrl()),
    '',
    'The identity provider whose tokens are accepted: its issuer, exactly as in `iss`.'
  ),
  /** `undefined`: where the issuer's metadata says. */
  JWT_JWKS_URL: variable(
    optional(jwksUrl()),
    '',
    'Where the keys of JWT_ISSUER are; empty asks its metadata.'
  ),
  /** Beside the endpoint's own address. */
  JWT_AUDIENCE: variable(
    list(word()),
    '',
    'Names of this server in `aud` besides its public address, comma-separated.'
  ),
  /** Names or paths of claims. */
  JWT_PRINCIPAL_CLAIMS: variable(
    list(claimPath()),
    '',
    'Claims of tokens that tools find in principal.attributes, comma-separated: names or paths.'
  ),
  /** `aud`, unless the provider writes none. */
  JWT_AUDIENCE_CLAIM: variable(
    claimPath(),
    'aud',
    'The claim that holds a name of this server in tokens of JWT_ISSUER, where it is not `aud`: `client_id`.'
  ),
  JWT_REQUIRE_AT: variable(
    oneOf('off', 'on'),
    'off',
    'Take only tokens of JWT_ISSUER that declare themselves access tokens (`typ: at+jwt`): on or off.'
  ),
  /** `undefined`: callers of the identity provider are users. */
  JWT_ROLES_CLAIM: variable(
    optional(claimPath()),
    '',
    'The claim with the roles in tokens of JWT_ISSUER: a name or a path; empty makes everyone a user.'
  ),
  JWT_ADMIN_ROLE: variable(word(), 'admin', 'The role there that makes an admin.'),
  /** `undefined`: `scope`, or `scp`. */
  JWT_SCOPES_CLAIM: variable(
    optional(claimPath()),
    '',
    'The claim with the scopes there; empty reads `scope`, or `scp`.'
  ),
  /** Path of a file of further identity providers; `undefined` where there are none. */
  JWT_ISSUERS_FILE: variable(
    optional(filePath()),
    '',
    'A JSON file of further identity providers, each with a name of its own.'
  ),
  /** What clients ask for before they know better. */
  OAUTH_SCOPES: variable(list(scope()), '', 'The scopes that clients ask for first, comma-separated.'),
  OAUTH_SERVER: variable(
    oneOf('off', 'on'),
    'off',
    'Whether people may sign OAuth clients in with an API key: on or off; on needs PUBLIC_URL, JWT_SECRET and keys.'
  ),
  /** How clients may be known. */
  OAUTH_CLIENTS: variable(
    list(oneOf('documents', 'registered', 'dynamic')),
    'documents,registered,dynamic',
    'Which clients may ask: documents (known by an address), registered (by the operator), dynamic (by themselves).'
  ),
  OAUTH_ADVERTISE: variable(
    oneOf('own', 'issuer'),
    'own',
    'Where clients are sent when there is a JWT_ISSUER, too: own (this server) or issuer.'
  ),
  /** Seconds. */
  OAUTH_ACCESS_TTL: variable(
    duration(),
    '1h',
    'How long an access token of a signed-in client is good: seconds, or with s, m, h or d.'
  ),
  /** Besides `JWT_ISSUER` and those of `JWT_ISSUERS_FILE`. */
  OAUTH_TRUSTED_ISSUERS: variable(
    list(issuerUrl()),
    '',
    'Issuers that may vouch for people by an assertion (ID-JAG), besides JWT_ISSUER, comma-separated.'
  ),
  /** Failed tries per window and address. */
  PREAUTH_RATE_LIMIT_MAX: variable(
    count,
    '30',
    'How many failed or unknown requests an address may make in a window.'
  ),
  /** Milliseconds. */
  PREAUTH_RATE_LIMIT_WINDOW_MS: variable(milliseconds, '60000', 'That window, in milliseconds.'),
  /** Milliseconds; 0 turns the exception off. */
  PREAUTH_KNOWN_TTL_MS: variable(
    integer(0, LONGEST_MS),
    '600000',
    'How long, in milliseconds, a verified credential still passes from a locked-out address; 0 is off.'
  ),
  /** Requests per window and principal. */
  RATE_LIMIT_MAX: variable(count, '100', 'How many requests a caller may make in a window.'),
  /** Milliseconds. */
  RATE_LIMIT_WINDOW_MS: variable(milliseconds, '60000', 'That window, in milliseconds.'),
  /** Exact origins; none turns CORS off. */
  CORS_ORIGINS: variable(
    list(origin()),
    '',
    'Origins whose pages may call, comma-separated and exact; empty turns CORS off.'
  ),
  /** Names of request headers, besides those that MCP needs. */
  CORS_HEADERS: variable(
    list(headerName()),
    '',
    'Further request headers that those pages may send, comma-separated: Sentry-Trace.'
  ),
  /** Bytes. */
  BODY_LIMIT: variable(bytes(), '1mb', 'The largest body: bytes, or with kb (1,024) or mb (1,048,576).'),
  /** Bytes. */
  RESULT_LIMIT: variable(
    bytes(),
    '1mb',
    'The largest result of a tool: bytes, or with kb (1,024) or mb (1,048,576).'
  ),
  /** Bytes. */
  UNREAD_MAX_PER_CALLER: variable(
    bytes(),
    '32mb',
    'How much of its answers a caller may leave unread: bytes, or with kb (1,024) or mb (1,048,576).'
  ),
  /** Bytes. */
  UNREAD_MAX: variable(
    bytes(),
    '256mb',
    'How much may be unread in all: bytes, or with kb (1,024) or mb (1,048,576).'
  ),
  /** Addresses, CIDRs, `loopback`, `uniquelocal`; none believes no proxy. */
  TRUST_PROXY: variable(
    list(trustedProxy()),
    '',
    'Proxies whose X-Forwarded-For is believed: addresses, CIDRs, `loopback`, `uniquelocal`.'
  ),
  /** Hosts as in a Host header, in lower case; without a port, any port. */
  ALLOWED_HOSTS: variable(
    list(servedHost()),
    '',
    'Further hosts under which the server answers: host or host:port, comma-separated.'
  ),
  /** Base URL without a slash at its end; the endpoint is it plus `/mcp`. */
  PUBLIC_URL: variable(
    optional(publicUrl()),
    '',
    'The base of the address that callers use; the endpoint is it plus `/mcp`.'
  ),
  /** `undefined`: that of this package. */
  SERVER_NAME: variable(
    optional(serverName()),
    '',
    'What the server is called, for programs: my-server, or with a domain as directories want it, com.example/my-server.'
  ),
  SERVER_TITLE: variable(optional(shortText()), '', 'What it is called, for people; at most 100 characters.'),
  SERVER_DESCRIPTION: variable(optional(shortText()), '', 'What it does, in a sentence of at most 100 characters.'),
  /** `undefined`: that of this package. */
  SERVER_VERSION: variable(optional(word()), '', 'Its version, such as 1.2.0; empty is that of this package.'),
  SERVER_CARD: variable(
    oneOf('off', 'on'),
    'off',
    'Whether everybody may read what the server is called and where it is (server card, AI Catalog): on or off.'
  ),
  /** Served to everybody, so no secret. */
  OPENAI_APPS_CHALLENGE: variable(
    optional(word()),
    '',
    'The token by which ChatGPT\'s directory checks the domain; empty serves none.'
  ),
  /** Milliseconds. */
  REQUEST_TIMEOUT_MS: variable(milliseconds, '60000', 'How long a call may take, in milliseconds.'),
  /** `legacy`: revisions up to 2025-11-25; `modern`: 2026-07-28. */
  MCP_ERAS: variable(
    list(oneOf('legacy', 'modern')),
    'legacy,modern',
    'The protocol eras to serve: legacy (up to 2025-11-25), modern (2026-07-28).'
  ),
  MCP_SESSIONS: variable(
    oneOf('off', 'on'),
    'off',
    'Whether clients of the legacy era get sessions: on or off.'
  ),
  /** Milliseconds. */
  SESSION_IDLE_MS: variable(milliseconds, '1800000', 'How long a session may go unused, in milliseconds.'),
  /** Milliseconds. */
  SESSION_LIFETIME_MS: variable(milliseconds, '86400000', 'How long a session may live, in milliseconds.'),
  SESSION_MAX_PER_CALLER: variable(
    count,
    '16',
    'How many sessions a caller may have; one more ends the oldest.'
  ),
  SESSION_MAX: variable(count, '1000', 'How many sessions there may be in all.'),
  STREAM_MAX_PER_CALLER: variable(count, '16', 'How many long-lived streams a caller may hold.'),
  TOOL_POLICY_FILE: variable(
    optional(filePath()),
    '',
    'A JSON file with limits and rights of tools, over those they were written with.'
  ),
  /** Path of a file with `mcpServers`; `undefined` where nothing stands behind this server. */
  UPSTREAMS_FILE: variable(
    optional(filePath()),
    '',
    'A JSON file with `mcpServers`: MCP servers whose tools are served here, too.'
  ),
  UPSTREAMS_LOCK: variable(
    optional(filePath()),
    '',
    'The file of approved definitions of their tools; what changed since is withheld.'
  ),
  /** Bytes. */
  UPSTREAM_MAX_RESULT: variable(
    bytes(),
    '8mb',
    'The largest answer of theirs that is passed on: bytes, or with kb (1,024) or mb (1,048,576).'
  ),
  /** Seconds. */
  TOKEN_MAX_TTL: variable(
    duration(),
    '30d',
    'The longest life of a new token: seconds, or with s, m, h or d.'
  ),
  MINT_POLICY: variable(
    oneOf(...mintPolicies),
    'admin-tokens',
    'Who may mint tokens with generate-token: admin-tokens, admins (API keys, too) or off.'
  ),
  TOKEN_DELIVERY: variable(
    oneOf('token', 'link'),
    'token',
    'What generate-token returns: the token, or a link that shows it once; link needs PUBLIC_URL.'
  ),
  /** A path, from the working directory. */
  STATE_DIR: variable(
    filePath(),
    './.state',
    'The directory for what was minted and revoked; made with mode 0700.'
  ),
  /** `undefined`: one made of JWT_SECRET, or where that is not set one for this process alone. */
  REQUEST_STATE_KEY: hidden(
    optional(strongSecret()),
    'Signs what a caller carries between the rounds of a call that asks back; the same on every instance.'
  ),
  /** Milliseconds; `undefined`: it is not looked at. */
  OVERLOAD_DELAY_MS: variable(
    optional(milliseconds),
    '',
    'How late the event loop may be, in milliseconds, before calls are refused with 503; empty is off.'
  ),
  /** MiB; `undefined`: it is not looked at. */
  OVERLOAD_HEAP_MB: variable(
    optional(integer(1, 1_000_000)),
    '',
    'How many megabytes of heap may be in use before calls are refused with 503; empty is off.'
  ),
  /** Milliseconds; `undefined`: 1,000 with REDIS_URL, 0 without. */
  DRAIN_DELAY_MS: variable(
    optional(integer(0, LONGEST_MS)),
    '',
    'How long /ready says no before a stopping server takes no more connections, in milliseconds; empty is ' +
      '1000 with REDIS_URL, else 0.'
  ),
  /** Milliseconds. */
  DRAIN_GRACE_MS: variable(
    milliseconds,
    '10000',
    'How long the calls of a stopping server have to end after that, in milliseconds.'
  ),
  /** `undefined`: this process stands alone. */
  REDIS_URL: hidden(
    optional(redisUrl()),
    'Redis behind what several instances share: redis://, rediss://, redis+sentinel://a,b/0?name=m or ' +
      'redis+cluster://a,b.'
  ),
  REDIS_PREFIX: variable(keyPrefix(), 'mcp:', 'In front of every key in Redis: separates deployments.'),
  /** Milliseconds. */
  REDIS_TIMEOUT_MS: variable(
    integer(10, 60_000),
    '100',
    'How long a command to Redis may take, in milliseconds, before the policies below apply.'
  ),
  REDIS_DOWN_LIMITS: variable(
    oneOf('local', 'share', 'refuse'),
    'local',
    'Limits while Redis is away: local counts on in each instance, share divides what is left, refuse answers 503.'
  ),
  REDIS_DOWN_REVOCATIONS: variable(
    oneOf('keep', 'refuse'),
    'keep',
    'Callers while Redis is away: keep serves them with the revocations known so far, refuse answers 503.'
  ),
  REDIS_START: variable(
    oneOf('wait', 'degraded'),
    'wait',
    'A start without Redis: wait gives it 10 seconds and then fails, degraded begins without it.'
  ),
  /** `undefined`: no audit in a file. */
  AUDIT_FILE: variable(
    optional(filePath()),
    '',
    'A file that each decision about a caller is added to, as a record in a chain.'
  ),
  AUDIT_STDOUT: variable(
    oneOf('off', 'on'),
    'off',
    'Whether those records go to standard output, too: on or off.'
  ),
  /** `undefined`: SHA-256 without a key. */
  AUDIT_KEY: hidden(
    optional(strongSecret()),
    'Makes the hashes of the audit an HMAC: without it nobody can write records that hold.'
  ),
  /** Bytes. */
  AUDIT_MAX_BYTES: variable(
    bytes(),
    '64mb',
    'The size at which the audit file is rotated; it is also rotated daily.'
  ),
  AUDIT_KEEP: variable(count, '30', 'How many rotated audit files are kept.'),
  /** `undefined`: no metrics. */
  METRICS_PORT: variable(
    optional(integer(0, 65_535)),
    '',
    'The port of the metrics for Prometheus; 0 takes a free one; empty serves none.'
  ),
  METRICS_HOST: variable(bindHost(), '127.0.0.1', 'The name or address that the metrics are served at.'),
  /** `undefined`: none is asked for. */
  METRICS_TOKEN: hidden(
    optional(strongSecret()),
    'What a scraper sends as Authorization: Bearer; required beyond loopback.'
  ),
  WORKERS: variable(
    workers(),
    '1',
    'How many processes serve the port: a number, or auto for one per core. More than one share their limits ' +
      'and sessions.'
  ),
  LOG_LEVEL: variable(
    oneOf('info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'),
    'info',
    'What is logged: fatal, error, warn, info, debug, trace or silent.'
  ),
  NODE_ENV: variable(
    oneOf('development', 'test', 'production'),
    'development',
    'development, test or production; in production weak secrets are refused.'
  )
} as const

export type VariableName = keyof typeof variables

type ValueOf<V> = V extends Variable<infer T> ? T : never

/** The parsed settings, under their environment names. Frozen. */
export type Config = { readonly [Name in keyof typeof variables]: ValueOf<(typeof variables)[Name]> }

export const variableNames = Object.keys(variables) as VariableName[]

/** JSON Schema of a `Config`, for `@fastify/env`. Built anew: that plugin writes into its schema. */
export function configSchema (): { type: 'object', required: string[], properties: Record<string, object> } {
  const rows = variableNames.map(name => ({ name, row: variables[name] }))
  return {
    type: 'object',
    required: rows.filter(({ row }) => row.unset !== undefined).map(({ name }) => name),
    properties: Object.fromEntries(rows.map(({ name, row }) => [name, { ...row.schema, description: row.description }]))
  }
}
