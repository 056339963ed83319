/** Converts a host's token options into the options of each part of the chain. */
import type { ChallengeOptions } from './challenge.js'
import type { ClaimRules } from '../tokens/claims.js'
import type { IssuerOptions } from '../tokens/provider/issuer.js'
import { isIssuerName } from '../tokens/provider/issuers-file.js'
import { requireWhole } from '../lib/require.js'
import { protectedResource } from '../net/public-url.js'

/** The identity provider whose tokens are accepted. */
export interface OAuthOptions extends Omit<
  IssuerOptions,
  'name' | 'audience' | 'toleranceSeconds' | 'principalClaims' | 'keepClaims'
> {
  /** The scopes that clients request first. Default: none, the client decides. */
  readonly scopes?: readonly string[]
}

/**
 * One of several identity providers. Its callers are `oauth@<name>:<sub>`, so ids of two providers never
 * collide.
 */
export interface NamedIssuer extends Omit<
  IssuerOptions,
  'audience' | 'toleranceSeconds' | 'principalClaims' | 'keepClaims' | 'name'
> {
  /** Lower-case letters, digits and `-`, at most 63. */
  readonly name: string
  /** Names of this server in the `aud` of its tokens, besides `publicUrl` plus `path`. Default: none. */
  readonly audience?: readonly string[]
}

/** The authorization server of this package, if it is enabled. */
export interface OwnServer {
  /** Its issuer. Omitted if the metadata names the identity provider instead. */
  readonly issuer?: string | undefined
  /** The scopes that clients request first. */
  readonly scopes: readonly string[]
}

export interface TokenSettings {
  /** The HS256 secret of the tokens accepted in `Authorization: Bearer`. */
  readonly jwtSecret?: string | undefined
  /** Former secrets: tokens signed with them stay valid until they expire. Default: none. */
  readonly jwtPreviousSecrets?: readonly string[]
  /** Allowed clock difference, in seconds, when checking the times of a token. Default 0. */
  readonly clockToleranceSeconds?: number
  /**
   * The identity provider whose tokens are also accepted. With `publicUrl`, clients discover it
   * automatically.
   */
  readonly oauth?: OAuthOptions | undefined
  /** Additional identity providers, each with its own name. */
  readonly issuers?: readonly NamedIssuer[]
  /**
   * How long to wait for the keys of an identity provider, in milliseconds; `cache.timeoutMs` of a provider
   * overrides it. Default 2,000.
   */
  readonly jwksTimeoutMs?: number | undefined
  /**
   * Token claims to add to `principal.attributes`, by name or path, for tokens of every issuer. Default:
   * none.
   */
  readonly principalClaims?: readonly string[]
  /** Names of this server in `aud`, besides `publicUrl` plus `path`. Default: none. */
  readonly audience?: readonly string[]
}

export interface TokenParts {
  readonly jwt?: { readonly secret: string; readonly previousSecrets: readonly string[] } & ClaimRules
  readonly oauth?: IssuerOptions
  readonly issuers?: readonly IssuerOptions[]
  readonly challenge?: Omit<ChallengeOptions, 'realm'>
  /** The protected resource metadata. Omitted if `publicUrl` is not set. */
  readonly metadata?: {
    readonly resource: string
    readonly authorizationServers: readonly string[]
    readonly scopes: readonly string[]
    readonly path: string
  }
}

/**
 * Builds the options of each part. `publicUrl` and `path` are those of the endpoint. Throws if a provider has
 * no audience, or if two providers share a name or an issuer.
 */
export function tokenParts (
  settings: TokenSettings,
  publicUrl: string | undefined,
  path: string,
  own?: OwnServer
): TokenParts {
  const {
    jwtSecret: secret,
    jwtPreviousSecrets: previousSecrets = [],
    clockToleranceSeconds: toleranceSeconds = 0,
    principalClaims = [],
    oauth
  } = settings
  const resource = publicUrl === undefined ? undefined : protectedResource(publicUrl, path)
  const audience = [...(resource?.audience ?? []), ...(settings.audience ?? [])]
  const issuers = namedIssuers(settings, audience, { toleranceSeconds, principalClaims })
  requireWhole('The options', { jwksTimeoutMs: settings.jwksTimeoutMs })
  const parts = {
    ...(secret === undefined
      ? {}
      : { jwt: { secret, previousSecrets, toleranceSeconds, audience, principalClaims } }),
    ...(issuers.length === 0 ? {} : { issuers })
  }
  if (oauth !== undefined && audience.length === 0) {
    throw new Error(
      '`oauth` requires `publicUrl` or `audience`: otherwise tokens for any other server would be accepted'
    )
  }
  const { scopes: providerScopes = [], ...issuer } = oauth ?? { issuer: '' }
  const advertised = own?.issuer ?? oauth?.issuer ?? issuers[0]?.issuer
  const scopes = own?.scopes ?? providerScopes
  return {
    ...parts,
    ...(oauth === undefined
      ? {}
      : { oauth: { ...issuer, audience, toleranceSeconds, principalClaims, cache: keyCache(settings, oauth) } }),
    ...(advertised === undefined ? {} : { challenge: { scopes, resourceMetadata: resource?.metadataUrl } }),
    ...(advertised === undefined || resource === undefined
      ? {}
      : {
          metadata: {
            resource: resource.url,
            authorizationServers: authorizationServers(own, oauth, issuers, advertised),
            scopes,
            path
          }
        })
  }
}

/** How the keys of a provider are cached: its own options, then those of all providers. */
export function keyCache (
  { jwksTimeoutMs }: Pick<TokenSettings, 'jwksTimeoutMs'>,
  { cache }: Pick<IssuerOptions, 'cache'>
): NonNullable<IssuerOptions['cache']> {
  return { ...(jwksTimeoutMs === undefined ? {} : { timeoutMs: jwksTimeoutMs }), ...cache }
}

/**
 * If the authorization server of this package is enabled, it is the only entry: most clients use the first
 * entry, but some pick any.
 */
function authorizationServers (
  own: OwnServer | undefined,
  oauth: OAuthOptions | undefined,
  issuers: readonly IssuerOptions[],
  advertised: string
): readonly string[] {
  if (own !== undefined) return [advertised]
  return [...(oauth === undefined ? [] : [oauth.issuer]), ...issuers.map(({ issuer }) => issuer)]
}

function namedIssuers (
  { issuers = [], oauth, jwksTimeoutMs }: TokenSettings,
  audience: readonly string[],
  rules: Pick<IssuerOptions, 'toleranceSeconds' | 'principalClaims'>
): readonly IssuerOptions[] {
  const names = new Set<string>()
  const urls = new Set(oauth === undefined ? [] : [oauth.issuer])
  return issuers.map(({ name, audience: others = [], ...rest }) => {
    if (!isIssuerName(name)) {
      throw new TypeError('`issuers`: each name is 1 to 63 lower-case letters, digits and "-"')
    }
    if (names.has(name)) throw new TypeError(`\`issuers\`: the name ${name} is repeated`)
    if (urls.has(rest.issuer)) {
      throw new TypeError(`\`issuers\`: the issuer of ${name} is also used by another entry or by \`oauth\``)
    }
    names.add(name)
    urls.add(rest.issuer)
    const all = [...audience, ...others]
    if (all.length === 0) {
      throw new TypeError(
        `\`issuers\`: ${name} requires an audience, or \`publicUrl\`: otherwise tokens for any other server ` +
          'would be accepted'
      )
    }
    return { ...rest, ...rules, name, audience: all, cache: keyCache({ jwksTimeoutMs }, rest) }
  })
}
