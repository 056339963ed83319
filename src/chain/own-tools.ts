/** The built-in tools, with their dependencies. */
import type { FastifyInstance } from 'fastify'
import type { MintingOptions } from '../built-ins/generate-token.js'
import { builtInTools } from '../built-ins/index.js'
import { decisionsOf } from '../http/decisions.js'
import type { Ledger } from '../ledger/ledger.js'
import { identityOf, withoutSlash } from '../net/public-url.js'
import { whoOf } from '../telemetry/classify.js'
import { OneTimeLinks } from '../tokens/one-time-links.js'
import type { OneTimeStore } from '../tokens/one-time-store.js'
import type { Tool } from '../tools/tool.js'
import { oauthSettings } from './oauth-server.js'
import type { McpAuthOptions } from './options.js'

/** The built-in tools and those of the host. Throws a `TypeError` if two have the same name. */
export function toolsOf (
  scope: FastifyInstance,
  options: McpAuthOptions,
  minting: MintingOptions | undefined,
  state: Ledger
): readonly Tool[] {
  const { builtIns = true, jwtSecret, oauth, tools = [] } = options
  if (!builtIns) return tools
  const takesTokens = jwtSecret !== undefined || oauth !== undefined
  const own = builtInTools({
    minting,
    state: takesTokens ? state : undefined,
    frozenFor: (principal, tool) => state.frozenFor(principal, tool),
    // Called when a tool is called: by then the server exists.
    grants:
      oauthSettings(options) === undefined
        ? undefined
        : {
            list: filter => scope.oauthServer.grants.list(filter),
            revoke: (id, by) => scope.oauthServer.grants.revoke(id, by)
          },
    audit: (kind, about, { principal, requestId }) => {
      decisionsOf(scope).note({
        kind,
        outcome: 'allowed',
        at: Date.now(),
        requestId,
        ...whoOf(principal),
        about
      })
    }
  })
  const repeated = own.find(({ name }) => tools.some(tool => tool.name === name))
  if (repeated === undefined) return [...own, ...tools]
  throw new TypeError(
    `${repeated.name} is a built-in tool: give yours another name, or set \`builtIns: false\``
  )
}

/** `undefined` if tokens cannot be minted. Tokens have `iss` and `aud` if the server knows its own URL. */
export function mintingOf (options: McpAuthOptions, state: Ledger, oneTime: OneTimeStore): MintingOptions | undefined {
  const {
    jwtSecret: secret,
    tokenMaxTtlSeconds: maxTtlSeconds = 30 * 86_400,
    mintPolicy: policy,
    tokenDelivery
  } = options
  const { publicUrl, path = '/mcp', builtIns, oauth } = options
  if (secret === undefined || policy === 'off' || builtIns === false) return undefined
  const identity = identityOf(publicUrl, oauth?.issuer, path)
  if (tokenDelivery !== 'link') return { secret, maxTtlSeconds, state, policy, ...identity }
  if (publicUrl === undefined) throw new Error('`tokenDelivery: link` requires `publicUrl`')
  const links = new OneTimeLinks({ store: oneTime, isRevoked: token => state.isRevoked(token) })
  const link = { links, url: (code: string) => `${withoutSlash(publicUrl)}/claim/${code}` }
  return { secret, maxTtlSeconds, state, policy, ...identity, link }
}
