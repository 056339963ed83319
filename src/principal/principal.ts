/** The caller. A principal is frozen and contains no credential or part of one. */
import { isDeepStrictEqual } from 'node:util'
import { isListOf, isRecord } from '../lib/guards.js'
import { freezeAttributes, isPlain, noAttributes, type PrincipalAttributes } from './attributes.js'

/** The roles that tokens of this server have. */
export type OwnRole = 'admin' | 'user'

/** `admin` is special: it may mint and revoke. Every other name means what the access rules of an app make of it. */
export type Role = OwnRole | (string & Record<never, never>)

/**
 * A role as a key file, an identity provider or an app may name it. `Admin` and `USER` would be read as
 * what they are not.
 */
export function isRole (role: unknown): role is Role {
  if (typeof role !== 'string' || !/^[A-Za-z][\w.:-]{0,63}$/.test(role)) return false
  return role === 'admin' || role === 'user' || !/^(?:admin|user)$/i.test(role)
}

/** What is wrong with an invalid role, as the rest of a sentence. */
export const roleForm = 'must be admin, user or your own name: a letter, then up to 63 letters, digits or . _ : -'

export interface Principal {
  /**
   * Any other id is one that the app gave a key of its own. `apikey:<key id>` for an API key,
   * `user:<owner>` for one that has an owner, `jwt:<sub>` for a token, `oauth:<sub>` for one of an identity
   * provider: name spaces that never meet.
   */
  readonly id: string
  readonly role: Role
  /** All roles of the caller, where an identity provider names more than one; each counts in access rules. */
  readonly roles?: readonly Role[]
  readonly scopes: readonly string[]
  readonly method: 'api-key' | 'jwt'
  /**
   * What the app knows of the caller: by its own key look-up, `enrich`, chosen claims, or the metadata of a
   * managed key. Empty where there is nothing.
   */
  readonly attributes: Readonly<PrincipalAttributes>
  /** When the credential ends, in milliseconds since the epoch. Absent: it does not end. */
  readonly expiresAt?: number
  /** Who issued the token, where an identity provider did; absent for keys and for tokens of this server. */
  readonly issuer?: string
  /**
   * The OAuth client that calls in the caller's name, where a person signed it in here. The name is what it
   * calls itself.
   */
  readonly client?: { readonly id: string, readonly name: string }
  /** The id of the API key, where one was used. */
  readonly keyId?: string
  /** When the key of a signed-in client was issued; that of its token is `issuedAt`. */
  readonly keyIssuedAt?: number
  /** The token's `jti`, where it has one; of a token of a signed-in client the id of the grant. */
  readonly tokenId?: string
  /** When the credential was issued, as a token says and a key file knows, in milliseconds since the epoch. */
  readonly issuedAt?: number
}

/** The id of the principal that a token of this server proves. */
export function tokenPrincipalId (subject: string): string {
  return `jwt:${subject}`
}

/**
 * The id of the principal of a token of this server, given as its subject or as the id itself. Throws
 * a `RangeError` if `text` reads like a caller of another kind, because the user most likely means that caller.
 * A token subject of that form is given as the whole id, `jwt:user:ada`.
 */
export function principalIdOf (text: string): string {
  if (text.startsWith('jwt:')) return text
  if (readsLikePrincipal(text)) throw new RangeError('that is a caller id, not a user id')
  return tokenPrincipalId(text)
}

/** True where `text` begins as the ids of principals do, of whatever kind. */
export function readsLikePrincipal (text: string): boolean {
  return /^(jwt|user|apikey|oauth|oauth@[^:]*):/.test(text)
}

/** A principal as it is made: attributes may be left out. */
export type PrincipalFields = Omit<Principal, 'attributes'> & { readonly attributes?: Readonly<PrincipalAttributes> }

/** Freezes a principal with its scopes, roles and attributes, so that no handler can widen its own rights. */
export function freezePrincipal ({ attributes = noAttributes, ...principal }: PrincipalFields): Principal {
  return Object.freeze({
    ...principal,
    scopes: Object.freeze([...principal.scopes]),
    ...(principal.roles === undefined ? {} : { roles: Object.freeze([...principal.roles]) }),
    attributes: attributes === noAttributes ? noAttributes : freezeAttributes(attributes)
  })
}

/** As much of a principal as a host has to give; the defaults are the role `user` and no scopes. */
export type CallerFields = Pick<PrincipalFields, 'id'> & Partial<PrincipalFields>

/**
 * Completes and freezes `fields`. Throws a `TypeError` that begins with `where` and names what is wrong. Names that a
 * principal does not have are ignored, because a host may have put more on the one it passes.
 */
export function principalOf (where: string, fields: CallerFields): Principal {
  const wrong = (what: string): never => {
    throw new TypeError(`${where}: principal${what}`)
  }
  if (!isRecord(fields)) return wrong(' must be an object with an id')
  const { id, role, roles, scopes, method, attributes, expiresAt } = fields
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  if (typeof id !== 'string' || id.trim() === '') return wrong('.id must be a non-empty string')
  if (role !== undefined && !isRole(role)) return wrong(`.role ${roleForm}`)
  if (roles !== undefined && !isListOf(roles, isRole)) return wrong(`.roles must be an array, and each ${roleForm}`)
  if (scopes !== undefined && !isListOf(scopes, scope => typeof scope === 'string')) {
    return wrong('.scopes must be an array of strings')
  }
  if (method !== undefined && method !== 'api-key' && method !== 'jwt') return wrong('.method must be api-key or jwt')
  if (attributes !== undefined && !isPlain(attributes)) return wrong('.attributes must be a plain object')
  if (expiresAt !== undefined && !Number.isFinite(expiresAt)) {
    return wrong('.expiresAt must be milliseconds since the epoch')
  }
  return freezePrincipal({ role: 'user', scopes: [], method: 'api-key', ...given, id })
}

/** True where the two may do the same. */
export function haveSameRights (one: Principal, other: Principal): boolean {
  if (one === other) return true
  return one.id === other.id && one.role === other.role && isDeepStrictEqual(one.roles, other.roles) &&
    isDeepStrictEqual(one.scopes, other.scopes) && isDeepStrictEqual(one.attributes, other.attributes)
}
