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

/**
 * A caller with the key could sign tokens for anyone, including admins, or forge the request state of calls.
 */
export const sharedSecret: Rule = ({ API_KEYS, JWT_SECRET, JWT_SECRET_PREVIOUS, REQUEST_STATE_KEY }) => {
  const isKey = (secret: string | undefined): boolean => secret !== undefined && API_KEYS.includes(secret)
  const right = 'use different secrets: anyone with that key could sign'
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
            right: `${right} the state that calls carry between rounds`
          }
        ]
      : [])
  ]
  return { problems }
}

/** Allows a weak secret only on loopback outside production, with a warning. */
function weak (config: Config, variable: VariableName, wrong: string): ReturnType<Rule> {
  const right = 'create one with: openssl rand -hex 32'
  const ofPlace = isLoopback(config.HOST) ? undefined : 'HOST is beyond loopback'
  const because = config.NODE_ENV === 'production' ? 'NODE_ENV is production' : ofPlace
  if (because === undefined) return { warnings: [`${variable} ${wrong}: acceptable only on this machine; ${right}`] }
  return { problems: [{ variable, wrong: `${wrong}, and ${because}`, right }] }
}
