/** Decides whether a principal may use an item. Checked on every list and call, never cached. */
import type { Principal, Role } from './principal.js'

/** Who may see and use an item. Every given condition must hold. Without conditions, every caller may. */
export interface AccessRule {
  /** The caller has one of these roles: `admin`, `user`, or a role that the app defines. */
  readonly roles?: readonly Role[]
  /** The caller has all of these scopes. A caller's `files:*` covers `files:read`. */
  readonly scopes?: readonly string[]
  /** A synchronous check, called last. Throwing, or returning anything but `true`, denies access. */
  readonly allow?: (principal: Principal) => boolean
  /**
   * The answer to a caller without access. `hide` (default): the item is unknown. `challenge`: HTTP 403
   * `insufficient_scope` (RFC 6750 §3.1) for tokens of an identity provider; hidden from all others. `error`:
   * the item is listed, and a call returns a readable error.
   */
  readonly denied?: 'hide' | 'challenge' | 'error'
}

/**
 * True if `rule` lets `principal` in. `onFault` is called with the error that `allow` threw, or with a
 * `TypeError` if it did not return a boolean.
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
    // A returned promise is not awaited: an unhandled rejection would end the process.
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

/** True if one of `held` is `wanted` or a wildcard for it: `a:*` covers `a:b` and `a:b:c`, but not `a`. */
export function holdsScope (held: readonly string[], wanted: string): boolean {
  return held.some(scope => scope === wanted || scope === '*' ||
    (scope.endsWith(':*') && wanted.startsWith(scope.slice(0, -1)) && wanted.length > scope.length - 1))
}
