/** Decides what a principal may see and use of a catalog, for lists, calls and everything else. */
import { InsufficientScopeError, type Refusal } from '../../errors.js'
import { type AccessRule, mayUse } from '../../principal/access.js'
import { freezePrincipal, type Principal } from '../../principal/principal.js'
import type { Item } from '../../tools/tool.js'

/** Called once per item, when its access rule throws or returns something other than a boolean. */
export type ReportRule = (item: Item, error: unknown) => void

/** The refusals of one kind of item. */
export interface Refusals {
  /** The item does not exist, or is hidden from this principal: the caller sees no difference. */
  readonly unknown: (reason: string) => Refusal
  /** The item is listed, but this principal may not use it. */
  readonly denied: (reason: string) => Refusal
}

/** Proxies allow four to eight KiB for all response headers. */
const maxScopeLength = 2048

export class RightsGate {
  readonly #report: ReportRule
  readonly #told = new WeakSet<Item>()

  constructor (report: ReportRule = () => {}) {
    this.#report = report
  }

  /** True if lists show `item` to `principal`. An item that is not hidden is listed for everybody. */
  sees (principal: Principal, item: Item): boolean {
    return this.denial(principal, item) !== 'hide'
  }

  /** True if `principal` may use `item`. */
  mayUse (principal: Principal, item: Item): boolean {
    return this.#holds(principal, item, item.access)
  }

  /** Returns `held` if `principal` may use its item. Throws a refusal otherwise. */
  admit<T extends { readonly item: Item }> (held: T | undefined, principal: Principal, refusals: Refusals): T {
    if (held === undefined) throw refusals.unknown('there is no such item')
    const { item } = held
    const denial = this.denial(principal, item)
    if (denial === undefined) return held
    if (denial === 'hide') throw refusals.unknown(`this principal may not use ${item.name}`)
    if (denial === 'error') throw refusals.denied(`this principal may not use ${item.name}`)
    throw denial
  }

  /**
   * Why `principal` may not use the item: `undefined` if it may; a challenge if the caller can get more scopes from its
   * identity provider; otherwise the item's own refusal. `forgets`: the client will request only the scopes of the
   * challenge, and lose those it had.
   */
  denial (principal: Principal, item: Item, forgets = false): 'hide' | 'error' | Refusal | undefined {
    if (this.mayUse(principal, item)) return undefined
    const denied = item.access?.denied ?? 'hide'
    if (denied !== 'challenge') return denied
    const { scopes = [] } = item.access ?? {}
    // If more scopes would not help, a challenge would make the client retry forever.
    const withScopes = freezePrincipal({ ...principal, scopes: [...principal.scopes, ...scopes] })
    if (principal.issuer === undefined || !this.#holds(withScopes, item, item.access)) return 'hide'
    const scope = scopeToAskFor(scopes, forgets ? principal.scopes : [])
    return new InsufficientScopeError({ reason: `${item.name} needs more`, data: { scope } })
  }

  #holds (principal: Principal, item: Item, rule: AccessRule | undefined): boolean {
    return rule === undefined || mayUse(principal, rule, error => {
      if (this.#told.has(item)) return
      this.#told.add(item)
      this.#report(item, error)
    })
  }
}

/** Without `offline_access`: the client decides whether to request it. */
function scopeToAskFor (needed: readonly string[], held: readonly string[]): string {
  const scope = [...new Set([...held.filter(one => one !== 'offline_access'), ...needed])].join(' ')
  return scope.length > maxScopeLength ? needed.join(' ') : scope
}
