/** The rights that a session was ever used with: what it sent under more is not for the same subject with less. */
import { holdsScope } from '../../principal/access.js'
import type { Principal } from '../../principal/principal.js'

export class ServedRights {
  readonly #scopes = new Set<string>()
  readonly #roles = new Set<string>()
  /** A rule of a host's own may tell the kinds of credential, and what it knows of the caller, apart. */
  readonly #kinds = new Set<string>()

  add (principal: Principal): void {
    for (const role of rolesOf(principal)) this.#roles.add(role)
    for (const scope of principal.scopes) this.#scopes.add(scope)
    this.#kinds.add(kindOf(principal))
  }

  /** True where `principal` has all of them. */
  areHeldBy (principal: Principal): boolean {
    const roles = rolesOf(principal)
    return (principal.role === 'admin' || [...this.#roles].every(role => roles.includes(role))) &&
      [...this.#scopes].every(scope => holdsScope(principal.scopes, scope)) &&
      [...this.#kinds].every(kind => kind === kindOf(principal))
  }
}

function rolesOf ({ role, roles = [] }: Principal): readonly string[] {
  return [role, ...roles]
}

function kindOf ({ method, issuer = '', keyId = '', attributes }: Principal): string {
  return `${method} ${keyId} ${issuer} ${textOf(attributes)}`
}

/** An app may put what it likes into attributes. What has no text is told apart from nothing. */
function textOf (attributes: unknown): string {
  try {
    return JSON.stringify(attributes)
  } catch {
    return ''
  }
}
