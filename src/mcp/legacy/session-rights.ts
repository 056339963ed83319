/** The rights that a session was ever used with: what it sent under more is not for the same subject with less. */
import { holdsScope } from '../../principal/access.js'
import type { Principal } from '../../principal/principal.js'

export class ServedRights {
  readonly #scopes = new Set<string>()
  /** A rule of a host's own may tell the kinds of credential apart. */
  readonly #kinds = new Set<string>()
  #admin = false

  add (principal: Principal): void {
    if (principal.role === 'admin') this.#admin = true
    for (const scope of principal.scopes) this.#scopes.add(scope)
    this.#kinds.add(kindOf(principal))
  }

  /** True where `principal` has all of them. */
  areHeldBy (principal: Principal): boolean {
    return (principal.role === 'admin' || !this.#admin) &&
      [...this.#scopes].every(scope => holdsScope(principal.scopes, scope)) &&
      [...this.#kinds].every(kind => kind === kindOf(principal))
  }
}

function kindOf ({ method, issuer = '', keyId = '' }: Principal): string {
  return `${method} ${keyId} ${issuer}`
}
