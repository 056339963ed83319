/** Rules for keys and secrets: at least one is set, each is strong enough, and each has only one purpose. */
import { isLoopback } from '../net/loopback.js'
import { isWeakKey, isWeakSecret, MIN_API_KEY_CHARACTERS, MIN_JWT_SECRET_BYTES } from '../principal/strength.js'
import type { Rule } from './rule.js'
import type { Config, VariableName } from './variables.js'

export const needsCredential: Rule = ({ API_KEYS, ...config }) => {
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

export const keysInRedis: Rule = ({ API_KEYS_IN, API_KEYS_FILE, REDIS_URL }) => {
  if (API_KEYS_IN !== 'redis') return {}
  const warnings =
    API_KEYS_FILE === undefined
      ? []
      : [
          'API_KEYS_FILE is not read, because API_KEYS_IN is redis: import its keys with keys import --from-file'
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

export const weakKeys: Rule = config => {
  const places = config.API_KEYS.flatMap((key, index) => isWeakKey(key) ? [index + 1] : [])
  if (places.length === 0) return {}
  const which =
    config.API_KEYS.length === 1
      ? 'is'
      : `${places.length === 1 ? 'entry' : 'entries'} ${places.join(', ')} ${places.length === 1 ? 'is' : 'are'}`
  return weak(config, 'API_KEYS', `${which} under ${MIN_API_KEY_CHARACTERS} characters`)
}

export const weakSecret: Rule = config => {
  if (config.JWT_SECRET === undefined || !isWeakSecret(config.JWT_SECRET)) return {}
  return weak(config, 'JWT_SECRET', `is under ${MIN_JWT_SECRET_BYTES} bytes`)
}

/** After a rotation, the comma would split the secret into two entries of JWT_SECRET_PREVIOUS. */
export const secretWithComma: Rule = ({ JWT_SECRET }) =>
  JWT_SECRET?.includes(',') !== true
    ? {}
    : {
        warnings: [
          'JWT_SECRET contains a comma: it cannot be listed in JWT_SECRET_PREVIOUS, so a rotation ends its ' +
            'tokens; choose one without a comma'
        ]
      }

/** A former secret still verifies tokens, so it must be as strong as the current one. */
export const previousSecrets: Rule = config => {
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

/** Secrets with one purpose, and what anyone who knows one of them could do. */
interface Purpose {
  readonly what: string
  readonly secrets: ReadonlyArray<string | undefined>
  readonly could: string
}

/** Each secret has only one purpose. Otherwise, for example, a caller could sign tokens for anyone with its key. */
export const sharedSecret: Rule = config => {
  const { API_KEYS, AUDIT_KEY, JWT_SECRET, JWT_SECRET_PREVIOUS, METRICS_TOKEN, REQUEST_STATE_KEY } = config
  const signing: readonly Purpose[] = [
    { what: 'the JWT_SECRET', secrets: [JWT_SECRET], could: 'sign tokens' },
    { what: 'a secret of JWT_SECRET_PREVIOUS', secrets: JWT_SECRET_PREVIOUS, could: 'sign tokens' },
    {
      what: 'the REQUEST_STATE_KEY',
      secrets: [REQUEST_STATE_KEY],
      could: 'sign the state that calls carry between rounds'
    }
  ]
  const audit: Purpose = { what: 'the AUDIT_KEY', secrets: [AUDIT_KEY], could: 'forge audit records' }
  const metrics: Purpose = { what: 'the METRICS_TOKEN', secrets: [METRICS_TOKEN], could: 'read the metrics' }
  const holders = [
    {
      variable: 'API_KEYS',
      known: API_KEYS,
      has: 'contains',
      who: 'with that key',
      others: [...signing, audit, metrics]
    },
    {
      variable: 'METRICS_TOKEN',
      known: [METRICS_TOKEN],
      has: 'is also',
      who: 'who reads the metrics',
      others: [...signing, audit]
    },
    { variable: 'AUDIT_KEY', known: [AUDIT_KEY], has: 'is also', who: 'who verifies the audit', others: signing }
  ]
  return {
    problems: holders.flatMap(({ variable, known, has, who, others }) =>
      others
        .filter(({ secrets }) => secrets.some(secret => secret !== undefined && known.includes(secret)))
        .map(({ what, could }) => ({
          variable,
          wrong: `${has} ${what}`,
          right: `use different secrets: anyone ${who} could ${could}`
        })))
  }
}

/** Allows a weak secret only on loopback outside production, with a warning. */
function weak (config: Config, variable: VariableName, wrong: string): ReturnType<Rule> {
  const right = 'create one with: openssl rand -hex 32'
  const ofPlace = isLoopback(config.HOST) ? undefined : 'HOST is beyond loopback'
  const because = config.NODE_ENV === 'production' ? 'NODE_ENV is production' : ofPlace
  if (because === undefined) return { warnings: [`${variable} ${wrong}: acceptable only on this machine; ${right}`] }
  return { problems: [{ variable, wrong: `${wrong}, and ${because}`, right }] }
}
