/** Rules that involve several settings. */
import { isLoopback } from '../net/loopback.js'
import type { Problem } from './problem.js'
import { isWeakKey, isWeakSecret, MIN_API_KEY_CHARACTERS, MIN_JWT_SECRET_BYTES } from '../principal/strength.js'
import type { Config, VariableName } from './variables.js'

type Rule = (config: Config) => { problems?: readonly Problem[], warnings?: readonly string[] }

/**
 * What the settings add up to. A setting in `faulty` has been reported already and says nothing here. `hasVerifyKey`:
 * the app looks keys up itself, and needs no credential among the settings.
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
    clientIdAsAudience(config),
    sharedSecret(config),
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

const keysInRedis: Rule = ({ API_KEYS_IN, API_KEYS_FILE, REDIS_URL }) => {
  if (API_KEYS_IN !== 'redis') return {}
  const warnings =
    API_KEYS_FILE === undefined
      ? []
      : [
          'API_KEYS_FILE is not read, because API_KEYS_IN is redis: take its keys over with keys import --from-file'
        ]
  if (REDIS_URL !== undefined) return { warnings }
  return {
    warnings,
    problems: [
      {
        variable: 'API_KEYS_IN',
        wrong: 'is redis, and REDIS_URL is not set',
        right: 'set REDIS_URL, or leave API_KEYS_IN at file'
      }
    ]
  }
}

/** What one instance asked is answered at another, and behind a balancer all callers have its address. */
const sharedByAll: Rule = ({ REDIS_URL, JWT_SECRET, REQUEST_STATE_KEY, TRUST_PROXY }) => {
  if (REDIS_URL === undefined) return {}
  const warnings =
    TRUST_PROXY.length > 0
      ? []
      : [
          'REDIS_URL is set and TRUST_PROXY is not: behind a load balancer all callers share one address, ' +
            'and one lock; set TRUST_PROXY to the balancer'
        ]
  if (JWT_SECRET !== undefined || REQUEST_STATE_KEY !== undefined) return { warnings }
  return {
    warnings,
    problems: [
      {
        variable: 'REDIS_URL',
        wrong:
          'is set without JWT_SECRET and REQUEST_STATE_KEY: an answer at another instance than the question ' +
            'would be refused',
        right: 'set REQUEST_STATE_KEY to the same value on every instance'
      }
    ]
  }
}

const needsCredential: Rule = ({ API_KEYS, ...config }) => {
  const others = [
    config.API_KEYS_FILE,
    config.API_KEYS_IN === 'redis' ? 'redis' : undefined,
    config.JWT_SECRET,
    config.JWT_ISSUER,
    config.JWT_ISSUERS_FILE
  ]
  if (API_KEYS.length > 0 || others.some(one => one !== undefined)) return {}
  return {
    problems: [
      {
        variable: 'API_KEYS',
        wrong: 'is not set, nor is JWT_SECRET, API_KEYS_FILE or JWT_ISSUER: no credential is configured',
        right: 'set one of them; `npx fastify-mcp-auth init` writes a new .env with the first two'
      }
    ]
  }
}

/** What the authorization server cannot do without. What is faulty has been reported already. */
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

/** Metrics tell a stranger who is busy, and with what. */
const openMetrics: Rule = ({ METRICS_PORT, METRICS_HOST, METRICS_TOKEN }) => {
  if (METRICS_PORT === undefined || METRICS_TOKEN !== undefined || isLoopback(METRICS_HOST)) return {}
  return {
    problems: [
      {
        variable: 'METRICS_TOKEN',
        wrong: 'is not set, and METRICS_HOST is not loopback: everybody could read the metrics',
        right: 'set it to the output of `openssl rand -hex 32`, or leave METRICS_HOST at 127.0.0.1'
      }
    ]
  }
}

const weakKeys: Rule = config => {
  const places = config.API_KEYS.flatMap((key, index) => isWeakKey(key) ? [index + 1] : [])
  if (places.length === 0) return {}
  const which =
    config.API_KEYS.length === 1
      ? 'is'
      : `${places.length === 1 ? 'entry' : 'entries'} ${places.join(', ')} ${places.length === 1 ? 'is' : 'are'}`
  return weak(config, 'API_KEYS', `${which} under ${MIN_API_KEY_CHARACTERS} characters`)
}

const weakSecret: Rule = config => {
  if (config.JWT_SECRET === undefined || !isWeakSecret(config.JWT_SECRET)) return {}
  return weak(config, 'JWT_SECRET', `is under ${MIN_JWT_SECRET_BYTES} bytes`)
}

/** In the list of former secrets it would become two, each good for signing. */
const secretWithComma: Rule = ({ JWT_SECRET }) =>
  JWT_SECRET?.includes(',') !== true
    ? {}
    : {
        warnings: [
          'JWT_SECRET contains a comma: it cannot be listed in JWT_SECRET_PREVIOUS, so a rotation ends its ' +
            'tokens; choose one without'
        ]
      }

/** A former secret still opens the door: it has to be as strong as the one of today. */
const previousSecrets: Rule = config => {
  const { JWT_SECRET, JWT_SECRET_PREVIOUS: previous } = config
  if (previous.length === 0) return {}
  if (JWT_SECRET === undefined) {
    return {
      problems: [
        {
          variable: 'JWT_SECRET_PREVIOUS',
          wrong: 'is set without JWT_SECRET',
          right: 'set JWT_SECRET to the current secret, or remove it'
        }
      ]
    }
  }
  if (previous.includes(JWT_SECRET)) {
    return {
      problems: [
        {
          variable: 'JWT_SECRET_PREVIOUS',
          wrong: 'contains the current JWT_SECRET',
          right: 'list only former secrets'
        }
      ]
    }
  }
  const places = previous.flatMap((secret, index) => isWeakSecret(secret) ? [index + 1] : [])
  if (places.length === 0) return {}
  return weak(
    config,
    'JWT_SECRET_PREVIOUS',
    `has secrets under ${MIN_JWT_SECRET_BYTES} bytes (${places.length === 1 ? 'entry' : 'entries'} ` +
      `${places.join(', ')})`
  )
}

/** A key set alone does not say whose tokens it is for: providers share keys among their customers. */
const withoutIssuer: Rule = config => {
  if (config.JWT_ISSUER !== undefined) return {}
  const names = ['JWT_JWKS_URL', 'JWT_ROLES_CLAIM', 'JWT_SCOPES_CLAIM'] as const
  const set: string[] = names.filter(name => config[name] !== undefined)
  if (config.JWT_REQUIRE_AT === 'on') set.push('JWT_REQUIRE_AT')
  if (config.JWT_AUDIENCE_CLAIM !== 'aud') set.push('JWT_AUDIENCE_CLAIM')
  return {
    problems: set.map(variable => ({
      variable,
      wrong: 'is set without JWT_ISSUER',
      right: 'set JWT_ISSUER to the issuer that its tokens name, or remove it'
    }))
  }
}

const withoutAudience: Rule = ({ JWT_ISSUER, PUBLIC_URL, JWT_AUDIENCE, HOST, PORT }) => {
  if (JWT_ISSUER === undefined || PUBLIC_URL !== undefined || JWT_AUDIENCE.length > 0) return {}
  const wrong = 'is set, and neither PUBLIC_URL nor JWT_AUDIENCE says what this server is called in its tokens'
  // With port 0 the address of this machine is known only when it listens, and no token could name it.
  if (isLoopback(HOST) && PORT !== 0) {
    return { warnings: [`JWT_ISSUER ${wrong}: only tokens for the endpoint on this machine are accepted`] }
  }
  return { problems: [{ variable: 'JWT_ISSUER', wrong, right: 'set PUBLIC_URL to the URL that callers use' }] }
}

/** A client's ID tokens have its id in `aud`, and not every provider marks them as what they are. */
const clientIdAsAudience: Rule = ({ JWT_ISSUER, JWT_AUDIENCE, JWT_AUDIENCE_CLAIM, JWT_REQUIRE_AT }) => {
  if (JWT_ISSUER === undefined || JWT_REQUIRE_AT === 'on' || JWT_AUDIENCE_CLAIM !== 'aud') return {}
  if (JWT_AUDIENCE.every(name => /^[a-z][\w+.-]*:/i.test(name))) return {}
  return {
    warnings: [
      'JWT_AUDIENCE holds a name that is no URI and may be a client id, in which case the ID tokens of that ' +
        'client could be good here, too; set JWT_REQUIRE_AT=on where access tokens are of type at+jwt, or ' +
          'name this server by its own URI'
    ]
  }
}

/** Whoever holds the key could sign tokens for anybody, admins included, or what a call carries between its rounds. */
const sharedSecret: Rule = ({ API_KEYS, JWT_SECRET, JWT_SECRET_PREVIOUS, REQUEST_STATE_KEY }) => {
  const isKey = (secret: string | undefined): boolean => secret !== undefined && API_KEYS.includes(secret)
  const right = 'use different secrets: anybody with that key could sign'
  const problems = [
    ...(isKey(JWT_SECRET)
      ? [{ variable: 'API_KEYS', wrong: 'contains the JWT_SECRET', right: `${right} tokens` }]
      : []),
    ...(JWT_SECRET_PREVIOUS.some(isKey)
      ? [{ variable: 'API_KEYS', wrong: 'contains a secret of JWT_SECRET_PREVIOUS', right: `${right} tokens` }]
      : []),
    ...(isKey(REQUEST_STATE_KEY)
      ? [
          {
            variable: 'API_KEYS',
            wrong: 'contains the REQUEST_STATE_KEY',
            right: `${right} what calls carry between their rounds`
          }
        ]
      : [])
  ]
  return { problems }
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

/** The Host of a request would name any server that its caller likes. */
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
      'PUBLIC_URL ends with /mcp and is the base alone: the endpoint is taken to be it plus another /mcp'
    ]
  }
}

/** A weak secret is a risk among programs on one machine, and an open door anywhere else. */
function weak (config: Config, variable: VariableName, wrong: string): ReturnType<Rule> {
  const right = 'create one with: openssl rand -hex 32'
  const ofPlace = isLoopback(config.HOST) ? undefined : 'HOST is beyond loopback'
  const because = config.NODE_ENV === 'production' ? 'NODE_ENV is production' : ofPlace
  if (because === undefined) return { warnings: [`${variable} ${wrong}: good enough on this machine alone; ${right}`] }
  return { problems: [{ variable, wrong: `${wrong}, and ${because}`, right }] }
}
