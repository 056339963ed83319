/** The rules for creating tokens: who may do it, and with which rights. */
import { holdsScope } from '../principal/access.js'
import type { OwnRole, Principal } from '../principal/principal.js'

/**
 * `admin-tokens`: callers with a token (including one that was created here) that has the role admin.
 * `admins`: all callers with that role, including those with an API key. `off`: nobody.
 */
export type MintPolicy = 'admin-tokens' | 'admins' | 'off'

export const mintPolicies = ['admin-tokens', 'admins', 'off'] as const satisfies readonly MintPolicy[]

export function mayMint (principal: Principal, policy: MintPolicy): boolean {
  if (policy === 'off' || principal.role !== 'admin') return false
  return policy === 'admins' || principal.method === 'jwt'
}

/** Which of the requested rights exceeds those of `minter`; `undefined` if none does. */
export function excessOf (minter: Principal, role: OwnRole, scopes: readonly string[]): 'role' | 'scopes' | undefined {
  if (role === 'admin' && minter.role !== 'admin') return 'role'
  return scopes.every(scope => holdsScope(minter.scopes, scope)) ? undefined : 'scopes'
}
