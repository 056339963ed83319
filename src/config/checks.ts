/** The rules that need more than one setting: what a place demands of the secrets used there. */
import { isLoopback } from './addresses.js'
import type { Problem } from '../config.js'
import { isWeakKey, isWeakSecret, MIN_API_KEY_CHARACTERS, MIN_JWT_SECRET_BYTES } from './secrets.js'
import type { Config, VariableName } from './variables.js'

type Rule = (config: Config) => { problems?: readonly Problem[], warnings?: readonly string[] }

/** What the settings add up to. A setting in `faulty` has been reported already and says nothing here. */
export function crossCheck (config: Config, faulty: ReadonlySet<string>): { problems: Problem[], warnings: string[] } {
  const found = [
    ...(faulty.has('API_KEYS') || faulty.has('JWT_SECRET') ? [] : [needsCredential(config)]),
    ...(faulty.has('API_KEYS') ? [] : [weakKeys(config)]),
    ...(faulty.has('JWT_SECRET') ? [] : [weakSecret(config)]),
    sharedSecret(config),
    uncheckedHost(config),
    ...(faulty.has('PUBLIC_URL') || faulty.has('TOKEN_DELIVERY') ? [] : [linkWithoutUrl(config)]),
    doubledPath(config)
  ]
  return {
    problems: found.flatMap(({ problems = [] }) => problems),
    warnings: found.flatMap(({ warnings = [] }) => warnings)
  }
}

const needsCredential: Rule = ({ API_KEYS, API_KEYS_FILE, JWT_SECRET }) => {
  if (API_KEYS.length > 0 || API_KEYS_FILE !== undefined || JWT_SECRET !== undefined) return {}
  return { problems: [{ variable: 'API_KEYS', wrong: 'and JWT_SECRET are both empty', right: 'set at least one of them, or API_KEYS_FILE; fastify-mcp-auth init writes both' }] }
}

const weakKeys: Rule = config => {
  const places = config.API_KEYS.flatMap((key, index) => isWeakKey(key) ? [index + 1] : [])
  if (places.length === 0) return {}
  const which = config.API_KEYS.length === 1 ? 'is' : `${places.length === 1 ? 'entry' : 'entries'} ${places.join(', ')} ${places.length === 1 ? 'is' : 'are'}`
  return weak(config, 'API_KEYS', `${which} shorter than ${MIN_API_KEY_CHARACTERS} characters`)
}

const weakSecret: Rule = config => {
  if (config.JWT_SECRET === undefined || !isWeakSecret(config.JWT_SECRET)) return {}
  return weak(config, 'JWT_SECRET', `is shorter than ${MIN_JWT_SECRET_BYTES} bytes`)
}

/** Whoever holds the key could sign tokens for anybody, admins included. */
const sharedSecret: Rule = ({ API_KEYS, JWT_SECRET }) => {
  if (JWT_SECRET === undefined || !API_KEYS.includes(JWT_SECRET)) return {}
  return { problems: [{ variable: 'API_KEYS', wrong: 'holds the JWT_SECRET', right: 'use different secrets: who has that key could sign tokens' }] }
}

const uncheckedHost: Rule = ({ HOST, ALLOWED_HOSTS, PUBLIC_URL }) => {
  if (isLoopback(HOST) || ALLOWED_HOSTS.length > 0 || PUBLIC_URL !== undefined) return {}
  return { warnings: ['HOST is beyond loopback and neither PUBLIC_URL nor ALLOWED_HOSTS is set: the Host of a request is not checked (DNS rebinding)'] }
}

/** The Host of a request would name any server that its caller likes. */
const linkWithoutUrl: Rule = ({ TOKEN_DELIVERY, PUBLIC_URL }) => {
  if (TOKEN_DELIVERY !== 'link' || PUBLIC_URL !== undefined) return {}
  return { problems: [{ variable: 'TOKEN_DELIVERY', wrong: 'is link, and PUBLIC_URL is not set', right: 'set PUBLIC_URL to the address that the links begin with' }] }
}

const doubledPath: Rule = ({ PUBLIC_URL }) => {
  if (PUBLIC_URL === undefined || !PUBLIC_URL.endsWith('/mcp')) return {}
  return { warnings: ['PUBLIC_URL ends with /mcp and is the base alone: the endpoint is taken to be it plus another /mcp'] }
}

/** A weak secret is a risk among programs on one machine, and an open door anywhere else. */
function weak (config: Config, variable: VariableName, wrong: string): ReturnType<Rule> {
  const right = 'create one with: openssl rand -hex 32'
  const because = config.NODE_ENV === 'production' ? 'NODE_ENV is production' : isLoopback(config.HOST) ? undefined : 'HOST is beyond loopback'
  if (because === undefined) return { warnings: [`${variable} ${wrong}: good enough on this machine alone; ${right}`] }
  return { problems: [{ variable, wrong: `${wrong}, and ${because}`, right }] }
}
