/** Rules that involve several settings. */
import { resolve } from 'node:path'
import { isLoopback } from '../net/loopback.js'
import type { Problem } from './problem.js'
import {
  needsCredential,
  keysInRedis,
  weakKeys,
  weakSecret,
  secretWithComma,
  previousSecrets,
  sharedSecret
} from './credential-rules.js'
import { withoutIssuer, withoutAudience, clientIdAsAudience } from './provider-rules.js'
import type { Rule } from './rule.js'
import type { Config, VariableName } from './variables.js'

/**
 * Checks combinations of settings. Skips rules about settings in `faulty`, which are already reported. With
 * `hasVerifyKey`, the app verifies keys itself and needs no credential in the settings.
 */
export function crossCheck (
  config: Config,
  faulty: ReadonlySet<string>,
  hasVerifyKey = false
): { problems: Problem[]; warnings: string[] } {
  const found = [
    ...(hasVerifyKey ||
    faulty.has('.env') ||
    faulty.has('API_KEYS') ||
    faulty.has('JWT_SECRET') ||
    faulty.has('JWT_ISSUER')
      ? []
      : [needsCredential(config)]),
    ...(faulty.has('API_KEYS') ? [] : [weakKeys(config)]),
    ...(faulty.has('JWT_SECRET') ? [] : [weakSecret(config), secretWithComma(config)]),
    ...(faulty.has('JWT_SECRET') || faulty.has('JWT_SECRET_PREVIOUS') ? [] : [previousSecrets(config)]),
    ...(faulty.has('JWT_ISSUER') ? [] : [withoutIssuer(config)]),
    ...(faulty.has('PUBLIC_URL') || faulty.has('JWT_AUDIENCE') ? [] : [withoutAudience(config)]),
    openMetrics(config),
    ...(faulty.has('PORT') || faulty.has('METRICS_PORT') ? [] : [samePort(config)]),
    clientIdAsAudience(config),
    sharedSecret(config),
    sharedFile(config),
    uncheckedHost(config),
    ...(faulty.has('PUBLIC_URL') || faulty.has('TOKEN_DELIVERY') ? [] : [linkWithoutUrl(config)]),
    ...(faulty.has('PUBLIC_URL') || faulty.has('SERVER_CARD') ? [] : [cardWithoutUrl(config)]),
    doubledPath(config),
    oauthServer(config, faulty),
    ...(faulty.has('REDIS_URL') || faulty.has('API_KEYS_IN') ? [] : [keysInRedis(config)]),
    ...(faulty.has('REDIS_URL') || faulty.has('JWT_SECRET') || faulty.has('REQUEST_STATE_KEY')
      ? []
      : [sharedByAll(config)])
  ]
  return {
    problems: found.flatMap(({ problems = [] }) => problems),
    warnings: found.flatMap(({ warnings = [] }) => warnings)
  }
}

/**
 * An answer may reach another instance than its question, and behind a balancer all callers share its
 * address.
 */
const sharedByAll: Rule = ({ REDIS_URL, JWT_SECRET, REQUEST_STATE_KEY, TRUST_PROXY }) => {
  if (REDIS_URL === undefined) return {}
  const warnings =
    TRUST_PROXY.length > 0
      ? []
      : [
          'REDIS_URL is set and TRUST_PROXY is not: behind a load balancer, all callers share one address ' +
            'and its limit; set TRUST_PROXY to the balancer'
        ]
  if (JWT_SECRET !== undefined || REQUEST_STATE_KEY !== undefined) return { warnings }
  return {
    warnings,
    problems: [
      {
        variable: 'REDIS_URL',
        wrong:
          'is set without JWT_SECRET and REQUEST_STATE_KEY: an answer that reaches another instance than its ' +
            'question would be refused',
        right: 'set REQUEST_STATE_KEY to the same value on every instance'
      }
    ]
  }
}

/** The settings that the authorization server requires. Skips faulty ones, which are already reported. */
function oauthServer (
  { OAUTH_SERVER, PUBLIC_URL, JWT_SECRET, API_KEYS, API_KEYS_FILE, API_KEYS_IN }: Config,
  faulty: ReadonlySet<string>
): ReturnType<Rule> {
  if (OAUTH_SERVER !== 'on') return {}
  const hasKeys = API_KEYS.length > 0 || API_KEYS_FILE !== undefined || API_KEYS_IN === 'redis'
  const lacks: ReadonlyArray<readonly [missing: boolean, name: VariableName, why: string, right: string]> = [
    [
      PUBLIC_URL === undefined,
      'PUBLIC_URL',
      'PUBLIC_URL is not set: it is the issuer that clients see',
      'set PUBLIC_URL to the URL that callers use'
    ],
    [
      JWT_SECRET === undefined,
      'JWT_SECRET',
      'JWT_SECRET is not set: a key derived from it signs the tokens',
      'set JWT_SECRET to the output of `openssl rand -hex 32`'
    ],
    [
      !hasKeys,
      'API_KEYS',
      'neither API_KEYS_FILE nor API_KEYS is set: people sign in with a key',
      'set one of them; `npx fastify-mcp-auth keys create` creates the file'
    ]
  ]
  const problems = lacks.filter(([missing, name]) => missing && !faulty.has(name))
  return {
    problems: problems.map(([, , why, right]) => ({
      variable: 'OAUTH_SERVER',
      wrong: `is on, and ${why}`,
      right
    }))
  }
}

const files = [
  'API_KEYS_FILE',
  'JWT_ISSUERS_FILE',
  'TOOL_POLICY_FILE',
  'UPSTREAMS_FILE',
  'UPSTREAMS_LOCK',
  'AUDIT_FILE'
] as const

/** Otherwise one would overwrite the other: audit records would be appended to the keys, for example. */
const sharedFile: Rule = config => {
  const taken = new Map<string, string>([[resolve('.env'), '.env']])
  const problems: Problem[] = []
  for (const variable of files) {
    const path = config[variable]
    if (path === undefined) continue
    const other = taken.get(resolve(path))
    if (other === undefined) taken.set(resolve(path), variable)
    else problems.push({ variable, wrong: `names the same file as ${other}`, right: 'give it a file of its own' })
  }
  return { problems }
}

/** Metrics reveal tools and usage to outsiders. */
const openMetrics: Rule = ({ METRICS_PORT, METRICS_HOST, METRICS_TOKEN }) => {
  if (METRICS_PORT === undefined || METRICS_TOKEN !== undefined || isLoopback(METRICS_HOST)) return {}
  return {
    problems: [
      {
        variable: 'METRICS_TOKEN',
        wrong: 'is not set, and METRICS_HOST is not loopback: anyone could read the metrics',
        right: 'set it to the output of `openssl rand -hex 32`, or leave METRICS_HOST at 127.0.0.1'
      }
    ]
  }
}

/** Otherwise the server would find its own metrics on its port, and blame another program. */
const samePort: Rule = ({ PORT, HOST, METRICS_PORT, METRICS_HOST }) => {
  if (METRICS_PORT === undefined || METRICS_PORT === 0 || METRICS_PORT !== PORT) return {}
  const isSame = HOST === METRICS_HOST || (isLoopback(HOST) && isLoopback(METRICS_HOST))
  if (!isSame && !isEvery(HOST) && !isEvery(METRICS_HOST)) return {}
  return { problems: [{ variable: 'METRICS_PORT', wrong: 'is the same as PORT', right: 'use another port' }] }
}

function isEvery (host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

const uncheckedHost: Rule = ({ HOST, ALLOWED_HOSTS, PUBLIC_URL }) => {
  if (isLoopback(HOST) || ALLOWED_HOSTS.length > 0 || PUBLIC_URL !== undefined) return {}
  return {
    warnings: [
      'HOST is beyond loopback and neither PUBLIC_URL nor ALLOWED_HOSTS is set: the Host of a request is ' +
        'not checked (DNS rebinding)'
    ]
  }
}

/** Links need a configured base: the caller of a request chooses its `Host`. */
const linkWithoutUrl: Rule = ({ TOKEN_DELIVERY, PUBLIC_URL }) => {
  if (TOKEN_DELIVERY !== 'link' || PUBLIC_URL !== undefined) return {}
  return {
    problems: [
      {
        variable: 'TOKEN_DELIVERY',
        wrong: 'is link, and PUBLIC_URL is not set',
        right: 'set PUBLIC_URL to the base URL of the links'
      }
    ]
  }
}

const cardWithoutUrl: Rule = ({ SERVER_CARD, PUBLIC_URL }) => {
  if (SERVER_CARD === 'off' || PUBLIC_URL !== undefined) return {}
  return {
    problems: [
      {
        variable: 'SERVER_CARD',
        wrong: 'is on, and PUBLIC_URL is not set',
        right: 'set PUBLIC_URL to the URL that the card should show'
      }
    ]
  }
}

const doubledPath: Rule = ({ PUBLIC_URL }) => {
  if (PUBLIC_URL === undefined || !PUBLIC_URL.endsWith('/mcp')) return {}
  return {
    warnings: [
      'PUBLIC_URL ends with /mcp, but it must be only the base: the endpoint is PUBLIC_URL plus another /mcp'
    ]
  }
}
