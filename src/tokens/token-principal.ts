/** The principal of a token, whoever issued it. */
import { freezePrincipal, type PrincipalFields } from '../principal/principal.js'
import type { Named, Verified } from '../principal/presented.js'
import { type Claims, type SoundClaims } from './claims.js'

export interface TokenRights extends Pick<PrincipalFields, 'id' | 'role' | 'roles' | 'scopes' | 'attributes'> {
  /** The identity provider that issued it; left out for tokens of this server. */
  readonly issuer?: string
}

export function tokenPrincipal (rights: TokenRights, { expiresAt, issuedAt, jti }: SoundClaims): Verified {
  const principal = freezePrincipal({
    ...rights,
    method: 'jwt',
    expiresAt,
    ...(jti === undefined ? {} : { tokenId: jti }),
    ...(issuedAt === undefined ? {} : { issuedAt })
  })
  return Object.freeze({ principal })
}

/** What names a token whose signature is good and whose claims are not. */
export function namesOfClaims (prefix: string, { sub, jti }: Claims): Named {
  return {
    ...(typeof sub === 'string' ? { subject: `${prefix}:${sub}` } : {}),
    ...(typeof jti === 'string' ? { tokenId: jti } : {})
  }
}
