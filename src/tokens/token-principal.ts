/** Builds the principal of a token, from this server or from a provider. */
import { freezePrincipal, type PrincipalFields } from '../principal/principal.js'
import type { Named, Verified } from '../principal/presented.js'
import { claimAt, type ClaimRules, type Claims, type SoundClaims } from './claims.js'

export interface TokenRights extends Pick<PrincipalFields, 'id' | 'role' | 'roles' | 'scopes' | 'attributes'> {
  /** The identity provider that issued the token. Left out for tokens of this server. */
  readonly issuer?: string
}

export interface TokenClaims {
  readonly claims: Claims
  readonly sound: SoundClaims
}

export function tokenPrincipal (
  rights: TokenRights,
  { claims, sound }: TokenClaims,
  { principalClaims = [], keepClaims = false }: ClaimRules
): Verified {
  const { expiresAt, issuedAt, jti } = sound
  const principal = freezePrincipal({
    ...rights,
    method: 'jwt',
    expiresAt,
    ...(jti === undefined ? {} : { tokenId: jti }),
    ...(issuedAt === undefined ? {} : { issuedAt }),
    ...(principalClaims.length === 0 ? {} : { attributes: attributesOf(claims, principalClaims) })
  })
  return Object.freeze(keepClaims ? { principal, claims } : { principal })
}

/** The requested claims, by the requested names. Missing claims are left out. */
function attributesOf (claims: Claims, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map(name => [name, claimAt(claims, name)]).filter(([, value]) => value !== undefined))
}

/** Identifiers for a token with a valid signature and invalid claims. */
export function namesOfClaims (prefix: string, { sub, jti }: Claims): Named {
  return {
    ...(typeof sub === 'string' ? { subject: `${prefix}:${sub}` } : {}),
    ...(typeof jti === 'string' ? { tokenId: jti } : {})
  }
}
