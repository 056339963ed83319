/** From what a host says about tokens to what each part of the chain has to know. */
import type { ChallengeOptions } from './challenge.js'
import type { ClaimRules } from '../tokens/claims.js'
import type { IssuerOptions } from '../tokens/provider/issuer.js'
import { protectedResource } from '../net/public-url.js'

/** The identity provider whose tokens are accepted. */
export interface OAuthOptions extends Omit<IssuerOptions, 'audience' | 'toleranceSeconds'> {
  /** The scopes that clients ask for first. Default none: they decide for themselves. */
  readonly scopes?: readonly string[]
}

export interface TokenSettings {
  /** The HS256 secret of the tokens accepted in `Authorization: Bearer`. */
  readonly jwtSecret?: string | undefined
  /** Former secrets: their tokens stay good until they expire. Default none. */
  readonly jwtPreviousSecrets?: readonly string[]
  /** Seconds that clocks may be apart when the times of a token are judged. Default 0. */
  readonly clockToleranceSeconds?: number
  /** The identity provider whose tokens are accepted there, too. With `publicUrl`, clients find it by themselves. */
  readonly oauth?: OAuthOptions | undefined
  /** Names of this server in `aud`, besides `publicUrl` plus `path`. Default none. */
  readonly audience?: readonly string[]
}

export interface TokenParts {
  readonly jwt?: { readonly secret: string, readonly previousSecrets: readonly string[] } & ClaimRules
  readonly oauth?: IssuerOptions
  readonly challenge?: Omit<ChallengeOptions, 'realm'>
  /** What clients are told about the provider; only where we know our own address. */
  readonly metadata?: { readonly resource: string, readonly authorizationServers: readonly string[], readonly scopes: readonly string[], readonly path: string }
}

/** `publicUrl` and `path` are those of the endpoint. Throws on an `oauth` that no token could be good for. */
export function tokenParts (settings: TokenSettings, publicUrl: string | undefined, path: string): TokenParts {
  const { jwtSecret: secret, jwtPreviousSecrets: previousSecrets = [], clockToleranceSeconds: toleranceSeconds = 0, oauth } = settings
  const resource = publicUrl === undefined ? undefined : protectedResource(publicUrl, path)
  const audience = [...resource?.audience ?? [], ...settings.audience ?? []]
  const jwt = secret === undefined ? {} : { jwt: { secret, previousSecrets, toleranceSeconds, audience } }
  if (oauth === undefined) return jwt
  if (audience.length === 0) throw new Error('`oauth` needs `publicUrl` or `audience`: without a name for this server, tokens for any other would be good here')
  const { scopes = [], ...issuer } = oauth
  return {
    ...jwt,
    oauth: { ...issuer, audience, toleranceSeconds },
    challenge: { scopes, resourceMetadata: resource?.metadataUrl },
    ...(resource === undefined ? {} : { metadata: { resource: resource.url, authorizationServers: [oauth.issuer], scopes, path } })
  }
}
