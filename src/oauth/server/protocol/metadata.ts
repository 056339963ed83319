/** The metadata of the authorization server (RFC 8414; MCP 2026-07-28, Authorization). */
import { withoutSlash } from '../../../net/public-url.js'

/** The path of each endpoint, relative to the public URL. */
export const endpointPaths = {
  authorize: '/oauth/authorize',
  token: '/oauth/token',
  register: '/oauth/register',
  revoke: '/oauth/revoke',
  keys: '/oauth/keys'
} as const

export const metadataPaths = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'] as const

/** The ways in which clients become known. */
export const clientSources = ['documents', 'registered', 'dynamic'] as const
export type ClientSource = typeof clientSources[number]

export const idJagGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const idJagProfile = 'urn:ietf:params:oauth:grant-profile:id-jag'
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Accepted signature algorithms of client assertions. */
export const assertionAlgorithms = ['RS256', 'ES256'] as const

/**
 * The issuer is `publicUrl` without a trailing slash. Clients compare it as a string, so it is the same
 * everywhere.
 */
export function issuerOf (publicUrl: string): string {
  return withoutSlash(publicUrl)
}

export interface MetadataOptions {
  readonly issuer: string
  /** Without `offline_access`. */
  readonly scopes: readonly string[]
  readonly sources: readonly ClientSource[]
  /** True if assertions of an identity provider are accepted (enterprise-managed authorization). */
  readonly acceptsIdJag: boolean
}

export function metadataOf ({
  issuer,
  scopes,
  sources,
  acceptsIdJag
}: MetadataOptions): Readonly<Record<string, unknown>> {
  return {
    issuer,
    authorization_endpoint: issuer + endpointPaths.authorize,
    token_endpoint: issuer + endpointPaths.token,
    revocation_endpoint: issuer + endpointPaths.revoke,
    ...(sources.includes('dynamic') ? { registration_endpoint: issuer + endpointPaths.register } : {}),
    scopes_supported: [...new Set([...scopes, 'offline_access'])],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    // Required of `openid-configuration`: below a path, clients may reach only that address, and those of the
    // MCP SDKs check it (OpenID Connect Discovery 1.0 §3). There are no ID tokens, so the key set is empty.
    jwks_uri: issuer + endpointPaths.keys,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    grant_types_supported: ['authorization_code', 'refresh_token', ...(acceptsIdJag ? [idJagGrant] : [])],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    revocation_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    client_id_metadata_document_supported: sources.includes('documents'),
    authorization_response_iss_parameter_supported: true,
    ...(acceptsIdJag ? { authorization_grant_profiles_supported: [idJagProfile] } : {})
  }
}
