/** The principal of a token, whoever issued it. */
import { freezePrincipal, type Principal, type Role } from '../principal/principal.js'
import type { Named, Verified } from '../principal/presented.js'
import { type Claims, type SoundClaims } from './claims.js'

export interface TokenRights {
  readonly id: string
  readonly role: Role
  readonly scopes: readonly string[]
  /** The identity provider that issued it; left out for tokens of this server. */
  readonly issuer?: string
}

export function tokenPrincipal ({ id, role, scopes, issuer }: TokenRights, { expiresAt, issuedAt, jti }: SoundClaims): Verified {
  const principal: Principal = freezePrincipal({
    id,
    role,
    scopes,
    method: 'jwt',
    ...(issuer === undefined ? {} : { issuer }),
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
