/** What a principal may see and use of a catalog: the one gate for lists, calls and everything in between. */
import { InsufficientScopeError, type Refusal } from '../../errors.js'
import { type AccessRule, mayUse } from '../../principal/access.js'
import { freezePrincipal, type Principal } from '../../principal/principal.js'
import type { Item } from '../../tools/tool.js'

/** Hears of an access rule that threw or returned no boolean, once for each item. */
export type ReportRule = (item: Item, error: unknown) => void

/** How a kind of item says no. */
export interface Refusals {
  /** There is no such item, or none that this principal may know of: the caller sees no difference. */
  readonly unknown: (reason: string) => Refusal
  /** The item is listed, and not for this principal to use. */
  readonly denied: (reason: string) => Refusal
}

/** Proxies allow four or eight KiB for all headers of an answer. */
const maxScopeLength = 2048

export class Rights {
  readonly #report: ReportRule
  readonly #told = new WeakSet<Item>()

  constructor (report: ReportRule = () => {}) {
    this.#report = report
  }

  /**
   * True where a list shows `item` to `principal`. One that does not hide is listed, so that a caller knows
   * what to ask a right for.
   */
  sees (principal: Principal, item: Item): boolean {
    return this.denial(principal, item) !== 'hide'
  }

  /** True where `principal` may use `item`. */
  mayUse (principal: Principal, item: Item): boolean {
    return this.#holds(principal, item, item.access)
  }

  /** `held`, where `principal` may use its item. Throws a refusal otherwise. */
  admit<T extends { readonly item: Item }> (held: T | undefined, principal: Principal, refusals: Refusals): T {
    if (held === undefined) throw refusals.unknown('there is none')
    const { item } = held
    const denial = this.denial(principal, item)
    if (denial === undefined) return held
    if (denial === 'hide') throw refusals.unknown(`${item.name} is not for this principal`)
    if (denial === 'error') throw refusals.denied(`${item.name} is not for this principal`)
    throw denial
  }

  /**
   * What stands in the way of `principal`: `undefined` nothing, a refusal where the caller can go to its
   * identity provider for more scopes, otherwise what the item says. `forgets`: the caller will ask for what the
   * refusal names and for nothing that it held before.
   */
  denial (principal: Principal, item: Item, forgets = false): 'hide' | 'error' | Refusal | undefined {
    if (this.mayUse(principal, item)) return undefined
    const denied = item.access?.denied ?? 'hide'
    if (denied !== 'challenge') return denied
    const { scopes = [] } = item.access ?? {}
    // Where more scopes would not help, a challenge would send the caller round in circles.
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

/** `offline_access` is left out: whether to ask for it is for the client to decide. */
function scopeToAskFor (needed: readonly string[], held: readonly string[]): string {
  const scope = [...new Set([...held.filter(one => one !== 'offline_access'), ...needed])].join(' ')
  return scope.length > maxScopeLength ? needed.join(' ') : scope
}
