/** What a principal may use: one predicate, checked on every list and call, never cached. */
import type { Principal, Role } from './principal.js'

/** Who may see and use an item. All that is given must hold; without a rule every caller may. */
export interface AccessRule {
  /** One of these roles: `admin`, `user`, or a name of the app's own. */
  readonly roles?: readonly Role[]
  /** All of these scopes; a caller's `files:*` covers `files:read`. */
  readonly scopes?: readonly string[]
  /** The last word, synchronous: what throws, or returns no boolean (a promise is none), counts as no. */
  readonly allow?: (principal: Principal) => boolean
  /**
   * What a caller without the right meets: `hide` (default) makes the item unknown, `challenge`
   * answers HTTP 403 `insufficient_scope` (RFC 6750 §3.1) to callers whose token an identity
   * provider issued and hides from all others, `error` shows the item and says no in readable words.
   */
  readonly denied?: 'hide' | 'challenge' | 'error'
}

/**
 * True where `principal` may use what `rule` guards. `onFault` hears what `allow` threw, or that it
 * returned no boolean.
 */
export function mayUse (
  principal: Principal,
  rule: AccessRule | undefined,
  onFault?: (error: unknown) => void
): boolean {
  if (rule === undefined) return true
  if (rule.roles !== undefined && !holdsRole(principal, rule.roles)) return false
  if (rule.scopes !== undefined && !rule.scopes.every(scope => holdsScope(principal.scopes, scope))) { return false }
  if (rule.allow === undefined) return true
  try {
    const verdict: unknown = rule.allow(principal)
    if (typeof verdict === 'boolean') return verdict
    // Nobody waits for a promise here: its rejection would end the process.
    Promise.resolve(verdict).catch(() => {})
    throw new TypeError('The rule did not return a boolean')
  } catch (error) {
    onFault?.(error)
    return false
  }
}

function holdsRole ({ role, roles = [] }: Principal, wanted: readonly Role[]): boolean {
  return wanted.includes(role) || roles.some(one => wanted.includes(one))
}

/** True where one of `held` is `wanted` or a wildcard above it: `a:*` covers `a:b` and `a:b:c`, not `a`. */
export function holdsScope (held: readonly string[], wanted: string): boolean {
  return held.some(scope => scope === wanted || scope === '*' ||
    (scope.endsWith(':*') && wanted.startsWith(scope.slice(0, -1)) && wanted.length > scope.length - 1))
}
