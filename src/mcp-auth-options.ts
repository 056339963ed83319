/** What the options of the whole chain may hold, and what is refused of them before anything is registered. */
import type { OAuthOptions } from './oauth/settings.js'
import { requireKeys, requireLists } from './lib/guards.js'

export type Keys<T> = Readonly<Record<keyof T, true>>

/** Fastify's, of every plugin. */
const ofFastify = { logLevel: true, logSerializers: true }
const ofLimits = { max: true, windowMs: true }
const ofOAuth: Keys<OAuthOptions> = { issuer: true, jwksUrl: true, rolesClaim: true, adminRole: true, scopesClaim: true, cache: true, scopes: true }
const lists = ['apiKeys', 'jwtPreviousSecrets', 'audience', 'origins', 'allowedHosts', 'tools', 'resources', 'prompts', 'eras', 'watches']

/**
 * Throws a `TypeError` that names the fault, in the words of these options. A typing error would leave
 * a limit, or a door, as it is by default. `known`: the names of all options.
 */
export function requireOptions (options: object, known: object): void {
  requireKeys('The options', options, { ...known, ...ofFastify })
  const { apiKeys = [], apiKeysFile, jwtSecret, oauth, rateLimit, preauthLimit } = options
  requireLists(Object.fromEntries(lists.map(name => [name, options[name]])))
  for (const [name, limit] of Object.entries({ rateLimit, preauthLimit })) if (limit !== undefined) requireKeys(`\`${name}\``, limit, ofLimits)
  if (oauth !== undefined) requireKeys('`oauth`', oauth, ofOAuth)
  const hasKeys = Array.isArray(apiKeys) && apiKeys.length > 0
  if (!hasKeys && [apiKeysFile, jwtSecret, oauth].every(one => one === undefined)) {
    throw new TypeError('`mcpAuth` needs `apiKeys`, `apiKeysFile`, `jwtSecret` or `oauth`: without them nobody could get in')
  }
}
