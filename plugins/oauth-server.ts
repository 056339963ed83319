/** The OAuth server: people sign in clients with an API key. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createKeyJudge, createKeyLookup, withAppKeys } from '../src/api-keys/listed-keys.js'
import type { KeyRing } from '../src/api-keys/ring.js'
import { openLedgerFor } from '../src/ledger/open.js'
import { decisionsOf } from '../src/http/decisions.js'
import { isSafeUrl } from '../src/net/loopback.js'
import {
  registerMetadataRoutes,
  registerRegistrationRoute,
  registerTokenRoutes
} from '../src/oauth/server/http/json-routes.js'
import { registerPages } from '../src/oauth/server/http/page-routes.js'
import { documentsInMemory } from '../src/oauth/server/documents/in-memory.js'
import type { Documents } from '../src/oauth/server/documents/documents.js'
import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  createAuthorizationServer
} from '../src/oauth/server/server.js'
import type { AppKeyPort } from '../src/oauth/server/grant-keys.js'
import { rejected } from '../src/principal/presented.js'
import type { Principal } from '../src/principal/principal.js'
import { requireStrong } from '../src/principal/strength.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The authorization server of this scope. */
    oauthServer: AuthorizationServer
  }
}

type FromServer =
  | 'publicUrl'
  | 'path'
  | 'clients'
  | 'accessTtlSeconds'
  | 'trustedIssuers'
  | 'clockToleranceSeconds'
  | 'fetchDocument'

/** Options shared with `mcpAuth` have the same names. */
export interface OAuthServerOptions extends Pick<AuthorizationServerOptions, FromServer> {
  /** Tokens are signed with a key derived from this; at least 32 bytes. */
  readonly jwtSecret: string
  /** Former secrets: tokens signed with them stay valid until they expire. Default: none. */
  readonly jwtPreviousSecrets?: readonly string[]
  /** Keys that people can sign in with. One of `apiKeys`, `keyRing` and `ownUsers` is required. */
  readonly apiKeys?: readonly string[]
  /** Managed keys that people can sign in with. */
  readonly keyRing?: KeyRing
  /**
   * Also let people sign in with keys that `auth` looks up with `verifyKey`. Requires `stillGood`, which later tells
   * whether they are still valid; without it such keys are refused. Default false.
   */
  readonly ownUsers?: boolean
  /** Where grants, codes and clients are stored. Default: in memory, until the process ends. */
  readonly documents?: Documents
  /** Where ended grants are recorded. Default: in memory. */
  readonly ledger?: AuthorizationServerOptions['ledger']
  /** The scopes that clients may request. Default: a client gets those of the key. */
  readonly scopes?: readonly string[] | (() => readonly string[])
  /** The number of tools that a caller may use, for the page. Default: that of the endpoint in this scope, if any. */
  readonly countTools?: (principal: Principal) => number
  /** Accept a secret under 32 bytes, for tests. Default false. */
  readonly allowWeakSecrets?: boolean
}

const oauthServer: FastifyPluginAsync<OAuthServerOptions> = async (fastify, options) => {
  const {
    publicUrl,
    path = '/mcp',
    apiKeys = [],
    keyRing,
    jwtSecret,
    jwtPreviousSecrets = [],
    scopes = [],
    ownUsers = false,
    allowWeakSecrets = false
  } = options
  requireUsable(options)
  requireStrong({ apiKeys, jwtSecrets: [jwtSecret, ...jwtPreviousSecrets], allowWeak: allowWeakSecrets })
  const judge = createKeyJudge(apiKeys, keyRing)
  if (judge === undefined && !ownUsers) {
    throw new TypeError(
      'The OAuth server needs `apiKeys`, `keyRing` or `ownUsers`: people sign in with a key'
    )
  }
  // Called when a key is entered: `auth` is registered later.
  const appKeys = (): AppKeyPort | null => ownUsers && fastify.hasDecorator('appKeys') ? fastify.appKeys : null
  const { documents = documentsInMemory(), ledger = await openLedgerFor(fastify, undefined, 0) } = options
  fastify.addHook('onClose', async () => { await documents.close() })
  // Decorate now: it is not possible once requests arrive.
  const decisions = decisionsOf(fastify)

  const server = createAuthorizationServer({
    ...options,
    publicUrl,
    path,
    secrets: [jwtSecret, ...jwtPreviousSecrets],
    documents,
    ledger,
    verifyKey: asked => withAppKeys(judge, appKeys())?.(asked) ?? nobody,
    appKeys,
    lookUp: createKeyLookup(apiKeys, keyRing),
    scopes: typeof scopes === 'function' ? scopes : () => scopes,
    report: (fields, message) => { fastify.log.info(fields, message) },
    onReuse: ({ id, client, subject, key }, why) => {
      const about = { security: true, why, grant: id, client: client.id, subject }
      decisions.note({
        kind: 'grant-revoked',
        outcome: 'allowed',
        at: Date.now(),
        principal: subject,
        keyId: key.keyId,
        tokenId: id,
        oauthClient: client.id,
        about
      })
    }
  })
  fastify.decorate('oauthServer', server)

  registerMetadataRoutes(fastify, server, path)
  await fastify.register(async scope => { await registerTokenRoutes(scope, server) })
  await fastify.register(async scope => { await registerRegistrationRoute(scope, server) })
  const countTools = options.countTools ?? toolsOf(fastify)
  await fastify.register(async scope => { await registerPages(scope, { server, countTools }) })
}

const nobody = rejected('no API keys are accepted here')

/** Called when a page is sent: the endpoint exists by then. */
function toolsOf (fastify: FastifyInstance): (principal: Principal) => number {
  return principal => fastify.hasDecorator('mcp') ? fastify.mcp.toolsOf(principal).length : 0
}

function requireUsable ({ publicUrl, jwtSecret }: OAuthServerOptions): void {
  if (!URL.canParse(publicUrl) || !isSafeUrl(new URL(publicUrl)) || /[?#]/.test(publicUrl)) {
    throw new TypeError(
      '`publicUrl` must be https, or http on loopback, without user, query and fragment: it is the issuer ' +
        'of the OAuth server'
    )
  }
  if (typeof jwtSecret !== 'string' || jwtSecret.trim() === '') {
    throw new TypeError(
      'The OAuth server needs a `jwtSecret`: its tokens are signed with a key derived from it'
    )
  }
}

/**
 * The authorization server of one endpoint: people sign in OAuth clients with an API key. Register it after
 * `preauth-limit`, which counts wrong keys, and before `auth`, which accepts its tokens. Throws on an invalid option.
 *
 * @example
 * await app.register(oauthServer, { publicUrl: 'https://mcp.example.com', jwtSecret, apiKeys })
 * await app.register(auth, { apiKeys })
 */
export default fp(oauthServer, { name: 'mcp-oauth-server', fastify: '5.x' })
