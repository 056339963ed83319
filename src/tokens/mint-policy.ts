/** Who may create tokens for others, and with which rights. */
import { holdsScope } from '../principal/access.js'
import type { OwnRole, Principal } from '../principal/principal.js'

/**
 * `admin-tokens`: callers with a token of the role admin, including tokens that were minted here.
 * `admins`: callers with that role, also with an API key. `off`: nobody.
 */
export type MintPolicy = 'admin-tokens' | 'admins' | 'off'

export const mintPolicies = ['admin-tokens', 'admins', 'off'] as const satisfies readonly MintPolicy[]

export function mayMint (principal: Principal, policy: MintPolicy): boolean {
  if (policy === 'off' || principal.role !== 'admin') return false
  return policy === 'admins' || principal.method === 'jwt'
}

/** What of a wish goes beyond the rights of `minter`; `undefined` where nothing does. */
export function excessOf (minter: Principal, role: OwnRole, scopes: readonly string[]): 'role' | 'scopes' | undefined {
  if (role === 'admin' && minter.role !== 'admin') return 'role'
  return scopes.every(scope => holdsScope(minter.scopes, scope)) ? undefined : 'scopes'
}
