/** Turns options of the chain into those of the authorization server. */
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { CredentialWatch } from '../../plugins/mcp.js'
import type { OAuthServerOptions } from '../../plugins/oauth-server.js'
import type { FollowedKeys } from '../api-keys/key-source.js'
import type { Ledger } from '../ledger/ledger.js'
import { defined } from '../lib/pick.js'
import type { Documents } from '../oauth/server/documents/documents.js'
import { documentsInFiles } from '../oauth/server/documents/in-files.js'
import { documentsInMemory } from '../oauth/server/documents/in-memory.js'
import type { TrustedIssuer } from '../oauth/server/id-jag.js'
import { issuerOf } from '../oauth/server/protocol/metadata.js'
import { keyCache, type OwnServer } from '../oauth/settings.js'
import { proofOf } from '../principal/proof.js'
import { issuerPrefix } from '../tokens/provider/issuer.js'
import type { McpAuthOptions, OAuthServerSettings } from './options.js'

/** `undefined` if the authorization server is off. */
export function oauthSettings ({ oauthServer = false }: McpAuthOptions): OAuthServerSettings | undefined {
  if (typeof oauthServer === 'object') return oauthServer
  return oauthServer ? {} : undefined
}

/** The metadata and challenges of the authorization server. */
export function ownServerOf (options: McpAuthOptions): OwnServer | undefined {
  const settings = oauthSettings(options)
  if (settings === undefined) return undefined
  const { publicUrl = '', oauth } = options
  const { advertise = 'own', scopes = oauth?.scopes ?? [] } = settings
  return { issuer: advertise === 'own' ? issuerOf(publicUrl) : undefined, scopes }
}

interface Kept {
  readonly keyRing: FollowedKeys | undefined
  readonly state: Ledger
  /** The stores that several instances share. */
  readonly documents: Documents | undefined
}

export function oauthServerOf (
  scope: FastifyInstance,
  options: McpAuthOptions,
  { keyRing, state, documents: shared }: Kept
): OAuthServerOptions | undefined {
  const settings = oauthSettings(options)
  if (settings === undefined) return undefined
  const {
    publicUrl,
    jwtSecret,
    jwtPreviousSecrets,
    apiKeys,
    path,
    stateDir,
    clockToleranceSeconds,
    allowWeakSecrets,
    oauth,
    issuers = []
  } = options
  if (publicUrl === undefined || jwtSecret === undefined) {
    throw new TypeError('`oauthServer` needs `publicUrl` and `jwtSecret`')
  }
  const {
    clients,
    accessTtlSeconds,
    fetchDocument,
    trustedIssuers = [],
    scopes = oauth?.scopes ?? []
  } = settings
  const known: readonly TrustedIssuer[] = [
    ...(oauth === undefined ? [] : [{ ...oauth, prefix: issuerPrefix(undefined) }]),
    ...issuers.map(issuer => ({ ...issuer, prefix: issuerPrefix(issuer.name) })),
    // No principal id contains `%`, so no other caller shares this bucket.
    ...trustedIssuers.map(issuer => ({ issuer, prefix: issuerPrefix(encodeURIComponent(issuer)) }))
  ]
  const trusted = known.map(issuer => ({ ...issuer, cache: keyCache(options, issuer) }))
  return defined({
    publicUrl,
    path,
    jwtSecret,
    jwtPreviousSecrets,
    apiKeys,
    keyRing,
    allowWeakSecrets,
    clients,
    accessTtlSeconds,
    fetchDocument,
    clockToleranceSeconds,
    ownUsers: options.verifyKey !== undefined,
    trustedIssuers: trusted.filter(
      ({ issuer }, index) => trusted.findIndex(one => one.issuer === issuer) === index
    ),
    documents:
      shared ??
      (stateDir === undefined
        ? documentsInMemory()
        : documentsInFiles({ directory: join(stateDir, 'oauth') })),
    ledger: state,
    // Called when a client makes a request: by then the endpoint exists.
    scopes: () => (scopes.length > 0 ? scopes : scope.mcp.scopes())
  })
}

/** Ends the streams of a client when the key behind its grant ends or has other rights. */
export function grantsWatch (scope: FastifyInstance, keyRing: FollowedKeys | undefined): CredentialWatch {
  return {
    stillGood: principal => scope.oauthServer.accessTokens.stillGood(proofOf(principal)),
    onChange: listener => keyRing?.onChange(listener) ?? (() => {})
  }
}
