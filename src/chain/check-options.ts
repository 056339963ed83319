/** Checks the options of the whole chain before anything is registered. */
import type { AuditOptions } from '../../plugins/audit.js'
import type { MetricsOptions } from '../../plugins/metrics.js'
import type { OverloadOptions } from '../../plugins/overload.js'
import { isRecord } from '../lib/guards.js'
import {
  aBoolean,
  aFunction,
  anAmount,
  anArray,
  anObjectWith,
  aString,
  checkedElsewhere,
  must,
  oneOfStrings,
  type OptionCheck,
  type OptionChecks,
  requireEach,
  requireKeys,
  requireObjects,
  strings
} from '../lib/require.js'
import type { UnreadOptions } from '../http/endpoint/unread.js'
import type { SessionsOptions } from '../mcp/legacy/sessions/sessions.js'
import type { NamedIssuer, OAuthOptions } from '../oauth/settings.js'
import { mintPolicies } from '../tokens/mint-policy.js'
import type { McpAuthOptions, OAuthServerSettings } from './options.js'

/** Fastify's own, for every plugin. */
const ofFastify = { logLevel: checkedElsewhere, logSerializers: checkedElsewhere }
const ofLimits = { max: checkedElsewhere, windowMs: checkedElsewhere }
const ofOverload: OptionChecks<OverloadOptions> = {
  maxEventLoopDelayMs: checkedElsewhere,
  maxHeapUsedBytes: checkedElsewhere,
  retryAfterSeconds: checkedElsewhere,
  sampleIntervalMs: checkedElsewhere
}
const ofAudit: OptionChecks<AuditOptions> = {
  file: aString,
  stream: must('an object with a method write', value => isRecord(value) && typeof value.write === 'function'),
  key: aString,
  maxBytes: checkedElsewhere,
  keep: checkedElsewhere,
  secrets: strings,
  maxQueuedBytes: checkedElsewhere
}
const isPort = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 65_536
const ofMetrics: OptionChecks<MetricsOptions> = {
  port: must('a port from 0 to 65535', isPort),
  host: aString,
  token: aString,
  gather: aFunction
}
const ofOAuth: OptionChecks<OAuthOptions> = {
  issuer: aString,
  jwksUrl: aString,
  audienceClaim: aString,
  requireAt: aBoolean,
  rolesClaim: aString,
  adminRole: aString,
  scopesClaim: aString,
  cache: checkedElsewhere,
  scopes: strings
}
const { scopes: _, ...ofProviders } = ofOAuth
const ofIssuers: OptionChecks<NamedIssuer> = { ...ofProviders, name: aString, audience: strings }
const ofOAuthServer: OptionChecks<OAuthServerSettings> = {
  clients: checkedElsewhere,
  accessTtlSeconds: checkedElsewhere,
  fetchDocument: aFunction,
  scopes: strings,
  advertise: oneOfStrings('own', 'issuer'),
  trustedIssuers: strings
}
const ofSessions: OptionChecks<SessionsOptions> = {
  idleMs: checkedElsewhere,
  lifetimeMs: checkedElsewhere,
  maxPerPrincipal: checkedElsewhere,
  max: checkedElsewhere,
  retryMs: checkedElsewhere
}
const ofUnread: OptionChecks<UnreadOptions> = {
  graceMs: checkedElsewhere,
  minBytesPerSecond: checkedElsewhere,
  maxBytesPerCaller: checkedElsewhere,
  maxBytes: checkedElsewhere
}
const ofInfo: OptionChecks<NonNullable<McpAuthOptions['info']>> = {
  name: aString,
  version: aString,
  title: aString,
  description: aString
}

const ofChain: OptionChecks<McpAuthOptions> = {
  prefix: must('a string', value => typeof value === 'string'),
  // Credentials.
  apiKeys: anArray,
  apiKeysFile: aString,
  apiKeysIn: oneOfStrings('file', 'redis'),
  jwtSecret: aString,
  jwtPreviousSecrets: strings,
  clockToleranceSeconds: anAmount,
  principalClaims: strings,
  oauth: anObjectWith(ofOAuth),
  issuers: (name, value) => {
    anArray(name, value)
    for (const [index, one] of (value as unknown[]).entries()) anObjectWith(ofIssuers)(`${name}[${index}]`, one)
  },
  jwksTimeoutMs: checkedElsewhere,
  oauthServer: flagOr(ofOAuthServer),
  audience: strings,
  allowWeakSecrets: aBoolean,
  verifyKey: aFunction,
  verifyKeyTimeoutMs: checkedElsewhere,
  verifyKeyTtlMs: checkedElsewhere,
  stillGood: aFunction,
  enrich: aFunction,
  // Hosts, origins and limits.
  origins: strings,
  allowedHeaders: strings,
  allowedHosts: strings,
  publicUrl: must('a string', value => typeof value === 'string'),
  loopback: aBoolean,
  overload: anObjectWith(ofOverload),
  preauthLimit: anObjectWith(ofLimits),
  knownTtlMs: anAmount,
  rateLimit: anObjectWith(ofLimits),
  // The endpoint.
  tools: anArray,
  resources: anArray,
  prompts: anArray,
  apps: anArray,
  toolPolicies: checkedElsewhere,
  info: anObjectWith(ofInfo),
  instructions: must('a string', value => typeof value === 'string'),
  requestTimeoutMs: checkedElsewhere,
  bodyLimit: checkedElsewhere,
  resultLimit: checkedElsewhere,
  securitySchemes: aBoolean,
  path: must('a string that begins with "/"', value => typeof value === 'string' && value.startsWith('/')),
  eras: anArray,
  sessions: flagOr(ofSessions),
  maxStreamsPerPrincipal: checkedElsewhere,
  stateKey: must('a Uint8Array of at least 32 bytes', value => value instanceof Uint8Array && value.length >= 32),
  watches: anArray,
  unread: anObjectWith(ofUnread),
  routeOptions: checkedElsewhere,
  provide: checkedElsewhere,
  beforeCall: aFunction,
  afterCall: aFunction,
  onEndpoint: aFunction,
  builtIns: aBoolean,
  // Minted tokens and their records.
  tokenMaxTtlSeconds: must('a number above 0', value => Number.isFinite(value) && Number(value) > 0),
  mintPolicy: oneOfStrings(...mintPolicies),
  tokenDelivery: oneOfStrings('token', 'link'),
  stateDir: aString,
  // Around the chain.
  redis: checkedElsewhere,
  audit: anObjectWith(ofAudit),
  metrics: anObjectWith(ofMetrics),
  upstreams: must('an object', isRecord),
  serverCard: aBoolean,
  appsChallenge: checkedElsewhere
}

/**
 * Throws a `TypeError` that names the problem. A misspelt name or value would silently leave a limit or an access rule
 * at its default.
 */
export function requireOptions (options: McpAuthOptions): void {
  requireKeys('The options', options, { ...ofChain, ...ofFastify })
  requireEach(ofChain, options)
  const { tools, resources, prompts, apps, watches } = options
  requireObjects({ tools, resources, prompts, apps, watches })
  const { apiKeys, apiKeysFile, apiKeysIn, redis, verifyKey, jwtSecret, oauth, issuers } = options
  if (apiKeysIn === 'redis' && redis === undefined) throw new TypeError('`apiKeysIn: redis` needs `redis`')
  const shared = apiKeysIn === 'redis' ? apiKeysIn : undefined
  const hasKeys = [apiKeys, issuers].some(one => Array.isArray(one) && one.length > 0)
  if (!hasKeys && [apiKeysFile, shared, verifyKey, jwtSecret, oauth].every(one => one === undefined)) {
    throw new TypeError(
      '`mcpAuth` requires at least one of `apiKeys`, `apiKeysFile`, `verifyKey`, `jwtSecret` and `oauth`'
    )
  }
}

/** True, false, or an object with these members. */
function flagOr<T> (checks: OptionChecks<T>): OptionCheck {
  return (name, value) => {
    if (typeof value === 'boolean') return
    must(`true, false or an object with ${Object.keys(checks).join(', ')}`, isRecord)(name, value)
    anObjectWith(checks)(name, value)
  }
}
