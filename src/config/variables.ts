/** All environment variables: one table, and so a long file. `.env.example` and `docs/configuration.md` match it. */
import { bindHost, headerName, origin, publicUrl, servedHost, trustedProxy } from './types/address.js'
import {
  bytes, duration, filePath, integer, list, LONGEST_MS, oneOf, optional, type SettingType
} from './types/basic.js'
import { serverName, shortText } from './types/description.js'
import { claimPath, issuerUrl, jwksUrl, scope, word } from './types/provider.js'
import { keyPrefix, redisUrl, workers } from './types/redis.js'
import { formerSecrets, secret, secretList, sentSecret, strongSecret } from './types/secret.js'
import { mintPolicies } from '../tokens/mint-policy.js'

export interface Variable<T> extends SettingType<T> {
  /** The default, as written in the environment; empty if there is none. */
  readonly fallback: string
  readonly description: string
  /** True: the value is never printed, only its length. */
  readonly secret: boolean
}

function variable<T> (kind: SettingType<T>, fallback: string, description: string): Variable<T> {
  return { ...kind, fallback, description, secret: false }
}

function hidden<T> (kind: SettingType<T>, description: string): Variable<T> {
  return { ...kind, fallback: '', description, secret: true }
}

const count = integer(1, 1_000_000_000)
const milliseconds = integer(1, LONGEST_MS)

export const variables = {
  /** TCP port, 0 to 65535; 0 picks a free port. */
  PORT: variable(integer(0, 65_535), '3000', 'The port; 0 picks a free port and prints it.'),
  /** Name or address to bind to, without brackets. */
  HOST: variable(
    bindHost(),
    'localhost',
    'The name or address to bind to. Beyond loopback, weak secrets are refused.'
  ),
  /** API keys in plain text, without duplicates. */
  API_KEYS: hidden(
    secretList(),
    'API keys, comma-separated. A caller that sends one as `x-api-key` has the role user.'
  ),
  /** Path of the file of managed keys; `undefined` if there is none. */
  API_KEYS_FILE: variable(
    optional(filePath()),
    '',
    'The file of managed API keys, written by the keys command.'
  ),
  API_KEYS_IN: variable(
    oneOf('file', 'redis'),
    'file',
    'Where managed keys are stored: file (API_KEYS_FILE) or redis (REDIS_URL).'
  ),
  /** HMAC secret of the HS256 tokens; `undefined` if they are off. */
  JWT_SECRET: hidden(optional(secret()), 'The secret that signs and verifies tokens (HS256).'),
  /** Former secrets whose tokens are still valid. */
  JWT_SECRET_PREVIOUS: hidden(
    formerSecrets(),
    'Former secrets after a rotation, comma-separated; their tokens stay valid until they expire.'
  ),
  /** Seconds. */
  JWT_CLOCK_TOLERANCE: variable(
    integer(0, 600),
    '0',
    'Allowed clock difference, in seconds, when checking the times of a token.'
  ),
  /** Exactly as in `iss`; `undefined` if there is no identity provider. */
  JWT_ISSUER: variable(
    optional(issuerUrl()),
    '',
    'The identity provider whose tokens are also accepted: its issuer, exactly as in `iss`.'
  ),
  /** `undefined`: taken from the issuer's metadata. */
  JWT_JWKS_URL: variable(
    optional(jwksUrl()),
    '',
    'The URL of the key set of JWT_ISSUER. Empty: taken from its metadata.'
  ),
  /** Milliseconds. */
  JWT_JWKS_TIMEOUT_MS: variable(
    integer(100, 600_000),
    '2000',
    'How long to wait for the keys of an identity provider and its metadata, in milliseconds.'
  ),
  /** Besides the endpoint's own URL. */
  JWT_AUDIENCE: variable(
    list(word()),
    '',
    'Names of this server that may be in `aud`, besides PUBLIC_URL plus /mcp; comma-separated.'
  ),
  /** Claim names or paths. */
  JWT_PRINCIPAL_CLAIMS: variable(
    list(claimPath()),
    '',
    'Token claims that tools find in principal.attributes, comma-separated: names or paths.'
  ),
  /** `aud`, unless the provider does not set it. */
  JWT_AUDIENCE_CLAIM: variable(
    claimPath(),
    'aud',
    'The claim that must hold a name of this server in tokens of JWT_ISSUER (Cognito: `client_id`).'
  ),
  JWT_REQUIRE_AT: variable(
    oneOf('off', 'on'),
    'off',
    'on accepts only tokens of JWT_ISSUER that are marked as access tokens (`typ: at+jwt`).'
  ),
  /** `undefined`: callers of the identity provider are users. */
  JWT_ROLES_CLAIM: variable(
    optional(claimPath()),
    '',
    'The claim with the roles in tokens of JWT_ISSUER, a name or a path. Empty: every caller is a user.'
  ),
  JWT_ADMIN_ROLE: variable(word(), 'admin', 'The role in that claim that makes a caller an admin.'),
  /** `undefined`: `scope`, or `scp`. */
  JWT_SCOPES_CLAIM: variable(
    optional(claimPath()),
    '',
    'The claim with the scopes in tokens of JWT_ISSUER. Empty: `scope`, or `scp` if there is no `scope`.'
  ),
  /** Path of a file of additional identity providers; `undefined` if there is none. */
  JWT_ISSUERS_FILE: variable(
    optional(filePath()),
    '',
    'A JSON file of additional identity providers, each with its own name.'
  ),
  OAUTH_SCOPES: variable(list(scope()), '', 'The scopes that clients request first, comma-separated.'),
  OAUTH_SERVER: variable(
    oneOf('off', 'on'),
    'off',
    'on lets people sign in OAuth clients with an API key; requires PUBLIC_URL, JWT_SECRET and API keys.'
  ),
  OAUTH_CLIENTS: variable(
    list(oneOf('documents', 'registered', 'dynamic')),
    'documents,registered,dynamic',
    'Which clients may ask for access: documents (identified by a URL), registered (by the operator) or dynamic ' +
      '(clients register themselves).'
  ),
  OAUTH_ADVERTISE: variable(
    oneOf('own', 'issuer'),
    'own',
    'Where clients are sent if JWT_ISSUER is set too: own (the pages of this server) or issuer.'
  ),
  /** Seconds. */
  OAUTH_ACCESS_TTL: variable(
    duration(),
    '1h',
    'Lifetime of the access tokens of signed-in clients: seconds, or with s, m, h or d.'
  ),
  /** Besides `JWT_ISSUER` and those of `JWT_ISSUERS_FILE`. */
  OAUTH_TRUSTED_ISSUERS: variable(
    list(issuerUrl()),
    '',
    'Issuers that may vouch for people with an assertion (ID-JAG), besides JWT_ISSUER; comma-separated.'
  ),
  /** Failed requests per window and address. */
  PREAUTH_RATE_LIMIT_MAX: variable(
    count,
    '30',
    'How many requests with a missing or wrong credential, or to an unknown path, an address may make in a window.'
  ),
  /** Milliseconds. */
  PREAUTH_RATE_LIMIT_WINDOW_MS: variable(
    milliseconds,
    '60000',
    'The window of PREAUTH_RATE_LIMIT_MAX, in milliseconds.'
  ),
  /** Milliseconds; 0 turns the exception off. */
  PREAUTH_KNOWN_TTL_MS: variable(
    integer(0, LONGEST_MS),
    '600000',
    'How long, in milliseconds, a verified credential still passes while its address is locked; 0 is off.'
  ),
  /** Requests per window and principal. */
  RATE_LIMIT_MAX: variable(count, '100', 'How many requests a caller may make in a window.'),
  /** Milliseconds. */
  RATE_LIMIT_WINDOW_MS: variable(milliseconds, '60000', 'The window of RATE_LIMIT_MAX, in milliseconds.'),
  /** Exact origins; an empty list turns CORS off. */
  CORS_ORIGINS: variable(
    list(origin()),
    '',
    'Origins whose pages may call, comma-separated and exact. Empty turns CORS off.'
  ),
  /** Request header names, besides those that MCP needs. */
  CORS_HEADERS: variable(
    list(headerName()),
    '',
    'Additional request headers that those pages may send, comma-separated: Sentry-Trace.'
  ),
  /** Bytes. */
  BODY_LIMIT: variable(bytes(), '1mb', 'The largest request body: bytes, or with kb (1,024) or mb (1,048,576).'),
  /** Bytes. */
  RESULT_LIMIT: variable(
    bytes(),
    '1mb',
    'The largest tool result: bytes, or with kb (1,024) or mb (1,048,576).'
  ),
  /** Bytes. */
  UNREAD_MAX_PER_CALLER: variable(
    bytes(),
    '32mb',
    'How much of its responses a caller may leave unread: bytes, or with kb (1,024) or mb (1,048,576).'
  ),
  /** Bytes. */
  UNREAD_MAX: variable(
    bytes(),
    '256mb',
    'How much all callers together may leave unread: bytes, or with kb (1,024) or mb (1,048,576).'
  ),
  /** Addresses, CIDRs, `loopback`, `uniquelocal`; an empty list trusts no proxy. */
  TRUST_PROXY: variable(
    list(trustedProxy()),
    '',
    'Proxies whose X-Forwarded-For is trusted: addresses, CIDRs, `loopback`, `uniquelocal`.'
  ),
  /** Lower-case hosts as in a Host header; a host without a port matches any port. */
  ALLOWED_HOSTS: variable(
    list(servedHost()),
    '',
    'Additional hosts that the server answers for, comma-separated: host (any port) or host:port.'
  ),
  /** Base URL without a trailing slash; the endpoint is this plus `/mcp`. */
  PUBLIC_URL: variable(
    optional(publicUrl()),
    '',
    'The base of the URL that callers use; the endpoint is this plus `/mcp`.'
  ),
  /** `undefined`: the name of this package. */
  SERVER_NAME: variable(
    optional(serverName()),
    '',
    'The name told to programs: my-server, or with a domain, as directories require, com.example/my-server.'
  ),
  SERVER_TITLE: variable(optional(shortText()), '', 'The name shown to people; at most 100 characters.'),
  SERVER_DESCRIPTION: variable(
    optional(shortText()),
    '',
    'What the server does, in a sentence of at most 100 characters.'
  ),
  /** `undefined`: the version of this package. */
  SERVER_VERSION: variable(
    optional(word()),
    '',
    'The version of your server, such as 1.2.0. Empty: the version of this package.'
  ),
  SERVER_CARD: variable(
    oneOf('off', 'on'),
    'off',
    'on publishes the name and address of the server (server card, AI Catalog); requires PUBLIC_URL.'
  ),
  /** Not a secret: it is served publicly. */
  OPENAI_APPS_CHALLENGE: variable(
    optional(word()),
    '',
    'The token with which ChatGPT\'s directory checks your domain. Empty serves none.'
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
    'on gives sessions to clients of the legacy era.'
  ),
  /** Milliseconds. */
  SESSION_IDLE_MS: variable(milliseconds, '1800000', 'How long a session may be unused, in milliseconds.'),
  /** Milliseconds. */
  SESSION_LIFETIME_MS: variable(milliseconds, '86400000', 'The longest life of a session, in milliseconds.'),
  SESSION_MAX_PER_CALLER: variable(
    count,
    '16',
    'How many sessions a caller may have; another one ends the least recently used.'
  ),
  SESSION_MAX: variable(count, '1000', 'How many sessions there may be in total.'),
  STREAM_MAX_PER_CALLER: variable(count, '16', 'How many long-lived streams a caller may hold.'),
  TOOL_POLICY_FILE: variable(
    optional(filePath()),
    '',
    'A JSON file with limits and rights for tools, on top of those in the code.'
  ),
  /** Path of a file with `mcpServers`; `undefined` if there are no upstream servers. */
  UPSTREAMS_FILE: variable(
    optional(filePath()),
    '',
    'A JSON file with `mcpServers`: MCP servers whose tools are also served here.'
  ),
  UPSTREAMS_LOCK: variable(
    optional(filePath()),
    '',
    'The file of approved tool definitions of those servers; a tool that has changed since is withheld.'
  ),
  /** Bytes. */
  UPSTREAM_MAX_RESULT: variable(
    bytes(),
    '8mb',
    'The largest answer of those servers that is passed on: bytes, or with kb (1,024) or mb (1,048,576).'
  ),
  /** Seconds. */
  TOKEN_MAX_TTL: variable(
    duration(),
    '30d',
    'The longest lifetime of a new token: seconds, or with s, m, h or d.'
  ),
  MINT_POLICY: variable(
    oneOf(...mintPolicies),
    'admin-tokens',
    'Who may create tokens with generate-token: admin-tokens (admins with a token), admins (API keys too) or off.'
  ),
  TOKEN_DELIVERY: variable(
    oneOf('token', 'link'),
    'token',
    'What generate-token returns: token, or link, which shows the token once; link requires PUBLIC_URL.'
  ),
  /** A path, relative to the working directory. */
  STATE_DIR: variable(
    filePath(),
    './.state',
    'The directory that records created and revoked tokens; created with mode 0700.'
  ),
  /** `undefined`: derived from JWT_SECRET, or random for this process if that is not set. */
  REQUEST_STATE_KEY: hidden(
    optional(strongSecret()),
    'Signs the state that a caller carries between the rounds of a call with questions; the same on every instance.'
  ),
  /** Milliseconds; `undefined`: off. */
  OVERLOAD_DELAY_MS: variable(
    optional(milliseconds),
    '',
    'The highest event loop delay, in milliseconds; beyond it calls get 503. Empty is off.'
  ),
  /** MiB; `undefined`: off. */
  OVERLOAD_HEAP_MB: variable(
    optional(integer(1, 1_000_000)),
    '',
    'The most heap in use, in MiB; beyond it calls get 503. Empty is off.'
  ),
  /** Milliseconds; `undefined`: 1,000 with REDIS_URL, 0 without. */
  DRAIN_DELAY_MS: variable(
    optional(integer(0, LONGEST_MS)),
    '',
    'After a stop signal: how long /ready answers 503 while everything is still served, in milliseconds. ' +
      'Empty is 1000 with REDIS_URL, else 0.'
  ),
  /** Milliseconds. */
  DRAIN_GRACE_MS: variable(
    milliseconds,
    '10000',
    'How long accepted calls may continue after that, in milliseconds.'
  ),
  /** `undefined`: nothing is shared with other instances. */
  REDIS_URL: hidden(
    optional(redisUrl()),
    'The Redis that several instances share: redis://, rediss://, redis+sentinel://a,b/0?name=m or ' +
      'redis+cluster://a,b.'
  ),
  REDIS_PREFIX: variable(keyPrefix(), 'mcp:', 'The prefix of every key in Redis; separates deployments.'),
  /** Milliseconds. */
  REDIS_TIMEOUT_MS: variable(
    integer(10, 60_000),
    '100',
    'How long a Redis command may take, in milliseconds, before the REDIS_DOWN_ policies apply.'
  ),
  REDIS_DOWN_LIMITS: variable(
    oneOf('local', 'share', 'refuse'),
    'local',
    'Limits while Redis is unavailable: local counts on each instance, share divides the rest, refuse answers 503.'
  ),
  REDIS_DOWN_REVOCATIONS: variable(
    oneOf('keep', 'refuse'),
    'keep',
    'Callers while Redis is unavailable: keep applies the revocations known so far, refuse answers 503.'
  ),
  REDIS_START: variable(
    oneOf('wait', 'degraded'),
    'wait',
    'Starting while Redis is unavailable: wait tries for 9 seconds and then fails, degraded starts without it.'
  ),
  /** `undefined`: no audit file. */
  AUDIT_FILE: variable(
    optional(filePath()),
    '',
    'The audit file: every decision about a caller is appended as a record in a hash chain.'
  ),
  AUDIT_STDOUT: variable(
    oneOf('off', 'on'),
    'off',
    'on writes the same records to standard output, among the log lines.'
  ),
  /** `undefined`: plain SHA-256 hashes. */
  AUDIT_KEY: hidden(
    optional(strongSecret()),
    'Makes the audit hashes HMACs, so that nobody without this key can forge records.'
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
    'The port of the Prometheus metrics; 0 picks a free port. Empty: no metrics.'
  ),
  METRICS_HOST: variable(bindHost(), '127.0.0.1', 'The name or address that the metrics listener binds to.'),
  /** `undefined`: no token is required. */
  METRICS_TOKEN: hidden(
    optional(sentSecret()),
    'What a scraper sends as Authorization: Bearer; required beyond loopback.'
  ),
  WORKERS: variable(
    workers(),
    '1',
    'How many processes serve the port: a number, or auto for one per core. They share limits and sessions.'
  ),
  LOG_LEVEL: variable(
    oneOf('info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'),
    'info',
    'What is logged: fatal, error, warn, info, debug, trace or silent.'
  ),
  NODE_ENV: variable(
    oneOf('development', 'test', 'production'),
    'development',
    'development, test or production. In production, weak secrets are refused on loopback too.'
  )
} as const

export type VariableName = keyof typeof variables

type ValueOf<V> = V extends Variable<infer T> ? T : never

/** The parsed settings, keyed by environment variable. Frozen. */
export type Config = { readonly [Name in keyof typeof variables]: ValueOf<(typeof variables)[Name]> }

export const variableNames = Object.keys(variables) as VariableName[]

/** JSON Schema of a `Config`, for `@fastify/env`. A new object each time, because that plugin modifies it. */
export function configSchema (): { type: 'object', required: string[], properties: Record<string, object> } {
  const rows = variableNames.map(name => ({ name, row: variables[name] }))
  return {
    type: 'object',
    required: rows.filter(({ row }) => row.unset !== undefined).map(({ name }) => name),
    properties: Object.fromEntries(rows.map(({ name, row }) => [name, { ...row.schema, description: row.description }]))
  }
}
