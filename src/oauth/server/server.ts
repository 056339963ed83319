/** Builds the authorization server from its parts. Independent of HTTP. */
import type { KeyReference, Referred } from '../../api-keys/ring.js'
import { protectedResource } from '../../net/public-url.js'
import type { Principal } from '../../principal/principal.js'
import { type AccessTokens, createAccessTokens } from './access-tokens.js'
import { type AuthorizationRequest, readAuthorizationRequest } from './authorization-request.js'
import { createAssertions } from './clients/assertion.js'
import type { Client } from './clients/client.js'
import { type ClientDirectory, createClientDirectory } from './clients/directory.js'
import { createGuardedFetch, type DocumentFetcher } from './clients/guarded-fetch.js'
import { createCodes } from './codes.js'
import type { Documents } from './documents/documents.js'
import { type AppKeyPort, createGrantKeys } from './grant-keys.js'
import type { GrantLedger } from './grant.js'
import { createGrants, type Grants, type OnReuse } from './grants.js'
import { createIdJagVerifier, type TrustedIssuer } from './id-jag.js'
import { type ClientSource, clientSources, endpointPaths, issuerOf, metadataOf } from './protocol/metadata.js'
import { deriveSecrets } from './secrets.js'
import { createSignIn, type KeyVerifier, type SignIn } from './sign-in.js'
import { createTokenEndpoint, type TokenEndpoint } from './token-endpoint.js'

export interface AuthorizationServerOptions {
  /** The base URL that clients use: https, or http on loopback. */
  readonly publicUrl: string
  /** The path of the endpoint. Default `/mcp`. */
  readonly path?: string
  /** The current JWT secret, then former ones. All keys of the server are derived from them. */
  readonly secrets: readonly string[]
  readonly documents: Documents
  readonly ledger: GrantLedger & { readonly isRevoked: (principal: Principal) => boolean }
  readonly verifyKey: KeyVerifier
  /** Returns the current state of a managed key or a key of `API_KEYS`. */
  readonly lookUp: (reference: KeyReference) => Referred
  /** The keys that the app looks up. Called when they are needed. Default: none. */
  readonly appKeys?: () => AppKeyPort | null
  /** How clients may become known. Default: all three ways. */
  readonly clients?: readonly ClientSource[]
  /** Default 3,600. */
  readonly accessTtlSeconds?: number
  /** Identity providers whose assertions (ID-JAG) are accepted. Default: none. */
  readonly trustedIssuers?: readonly TrustedIssuer[]
  /** Default 0. */
  readonly clockToleranceSeconds?: number
  /** Returns the scopes that the served items currently use. */
  readonly scopes: () => readonly string[]
  /** Fetches client documents. Default: over https, from public addresses only. */
  readonly fetchDocument?: DocumentFetcher
  /** Logs a problem. */
  readonly report: (fields: object, message: string) => void
  /** Called when a grant is revoked because its code or refresh token was used twice. */
  readonly onReuse: OnReuse
}

export interface AuthorizationServer {
  readonly issuer: string
  readonly resource: string
  readonly clients: ClientDirectory
  readonly grants: Grants
  readonly accessTokens: AccessTokens
  readonly signIn: SignIn
  readonly tokens: TokenEndpoint
  readonly metadata: () => Readonly<Record<string, unknown>>
  /** Validates the query of an authorization request. */
  readonly authorize: (query: string) => Promise<{ readonly request: AuthorizationRequest, readonly client: Client }>
}

export function createAuthorizationServer (options: AuthorizationServerOptions): AuthorizationServer {
  const {
    publicUrl,
    path,
    secrets: jwtSecrets,
    documents,
    ledger,
    verifyKey,
    lookUp,
    appKeys,
    clients: sources = clientSources,
    accessTtlSeconds = 3600,
    trustedIssuers = [],
    clockToleranceSeconds: toleranceSeconds = 0,
    scopes,
    fetchDocument = createGuardedFetch(),
    report,
    onReuse
  } = options
  const issuer = issuerOf(publicUrl)
  const { url: resource } = protectedResource(publicUrl, path)
  const secrets = deriveSecrets(jwtSecrets, resource)
  const isRevoked = (principal: Principal): boolean => ledger.isRevoked(principal)
  const reportDocument = (client: string, reason: string): void => {
    report({ client, reason }, 'a client document cannot be used')
  }

  const keys = createGrantKeys({ lookUp, appKeys })
  const clients = createClientDirectory({ documents, sources, fetchDocument, report: reportDocument })
  const accessTokens = createAccessTokens({ secrets, issuer, resource, ttlSeconds: accessTtlSeconds, keys, isRevoked })
  const codes = createCodes(documents)
  const grants = createGrants({ documents, secrets, ledger, resource, accessTtlMs: accessTtlSeconds * 1000, onReuse })
  const assertions = createAssertions({ documents, fetchDocument, audience: [issuer, issuer + endpointPaths.token] })
  const verifyIdJag =
    trustedIssuers.length === 0
      ? undefined
      : createIdJagVerifier({ issuers: trustedIssuers, documents, issuer, resource, toleranceSeconds })
  const find = clients.find

  return {
    issuer,
    resource,
    clients,
    grants,
    accessTokens,
    signIn: createSignIn({
      secrets,
      documents,
      codes,
      grants,
      issuer,
      resource,
      find,
      verifyKey,
      keys,
      isRevoked
    }),
    tokens: createTokenEndpoint({
      clients,
      assertions,
      codes,
      grants,
      accessTokens,
      resource,
      accessTtlSeconds,
      verifyIdJag,
      onReuse
    }),
    metadata: () =>
      metadataOf({ issuer, scopes: scopes(), sources, acceptsIdJag: verifyIdJag !== undefined }),
    authorize: async query => await readAuthorizationRequest(query, { find, issuer, resource })
  }
}
