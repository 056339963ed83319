/** The rights that a session was used with, as JSON. A credential with fewer rights sees none of its events. */
import { type Refusal, SessionNotFoundError } from '../../../errors.js'
import { sha256 } from '../../../lib/sha256.js'
import { holdsScope } from '../../../principal/access.js'
import type { Principal } from '../../../principal/principal.js'

export type Rights = {
  readonly admin: boolean
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  /**
   * Facts that a host's own rule may depend on: the kinds of credential, and a digest of the caller's
   * attributes.
   */
  readonly kinds: readonly string[]
}

export function rightsOf ({
  role,
  roles = [],
  scopes,
  method,
  issuer = '',
  keyId = '',
  attributes
}: Principal): Rights {
  const kind = `${method} ${keyId} ${issuer}`
  const kinds = [isEmpty(attributes) ? kind : `${kind} ${digestOf(attributes)}`]
  return { admin: role === 'admin', roles: roles.length === 0 ? [role] : [role, ...roles], scopes, kinds }
}

/** True if `held`, the rights of one credential, includes all of `needed`. */
export function areHeld (needed: Rights, held: Rights): boolean {
  return (held.admin || (!needed.admin && needed.roles.every(role => held.roles.includes(role)))) &&
    needed.scopes.every(scope => holdsScope(held.scopes, scope)) &&
    needed.kinds.every(kind => held.kinds.includes(kind))
}

/** The refusal for an unknown session, so that a caller does not learn that the session exists. */
export function fewerRights (): Refusal {
  return new SessionNotFoundError({ reason: 'fewer rights than the call, or the session, was used with' })
}

/** The union of both; `all` itself if it already includes `more`. */
export function joinRights (all: Rights, more: Rights): Rights {
  if (all.kinds[0] === tooMany && (all.admin || !more.admin)) return all
  const isNew =
    (more.admin && !all.admin) ||
    lacks(all.roles, more.roles) ||
    lacks(all.scopes, more.scopes) ||
    lacks(all.kinds, more.kinds)
  if (!isNew) return all
  const [roles, scopes, kinds] = [
    union(all.roles, more.roles),
    union(all.scopes, more.scopes),
    union(all.kinds, more.kinds)
  ]
  const admin = all.admin || more.admin
  // Beyond this, no credential has all of them, and the record of a session must stay small.
  return roles.length + scopes.length + kinds.length > maxRights
    ? tooManyRights(admin)
    : { admin, roles, scopes, kinds }
}

/** Stands for more rights than are recorded; no credential has them. */
export function tooManyRights (admin: boolean): Rights {
  return { admin, roles: [], scopes: [], kinds: [tooMany] }
}

const maxRights = 500
/** No credential is of this kind, so no caller has these rights. */
const tooMany = 'too many'

function lacks (all: readonly string[], more: readonly string[]): boolean {
  return more.some(text => !all.includes(text))
}

function union (one: readonly string[], other: readonly string[]): string[] {
  return [...new Set([...one, ...other])]
}

function isEmpty (attributes: object | undefined): boolean {
  return attributes === undefined || Object.keys(attributes).length === 0
}

const digests = new WeakMap<object, string>()

/** Attributes may be any value. A value without JSON text differs from a missing one. */
function digestOf (attributes: object): string {
  const known = digests.get(attributes)
  if (known !== undefined) return known
  const digest = sha256(textOf(attributes))
  digests.set(attributes, digest)
  return digest
}

function textOf (attributes: object): string {
  try {
    return JSON.stringify(attributes) ?? ''
  } catch {
    return ''
  }
}
