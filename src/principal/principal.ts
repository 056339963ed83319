/** The caller. A principal is frozen and contains no credential or part of one. */
import { isDeepStrictEqual } from 'node:util'
import { isListOf, isRecord } from '../lib/guards.js'
import { freezeAttributes, isPlain, noAttributes, type PrincipalAttributes } from './attributes.js'

/** The roles that tokens of this server have. */
export type OwnRole = 'admin' | 'user'

/** `admin` may create and revoke tokens. The meaning of other roles depends on the app's access rules. */
export type Role = OwnRole | (string & Record<never, never>)

/**
 * True for a role that a key file, an identity provider or an app may use. Other spellings of the built-in
 * roles, such as `Admin`, are refused because people would take them for the built-in ones.
 */
export function isRole (role: unknown): role is Role {
  if (typeof role !== 'string' || !/^[A-Za-z][\w.:-]{0,63}$/.test(role)) return false
  return role === 'admin' || role === 'user' || !/^(?:admin|user)$/i.test(role)
}

/** The rule for roles, as the end of an error message. */
export const roleForm = 'must be admin, user or your own name: a letter, then up to 63 letters, digits or . _ : -'

export interface Principal {
  /**
   * `apikey:<key id>` for an API key, `user:<owner>` for an API key with an owner, `jwt:<sub>` for a token of
   * this server, `oauth:<sub>` for a token of an identity provider. Any other id comes from the app's
   * `verifyKey`. The prefixes keep these kinds apart.
   */
  readonly id: string
  readonly role: Role
  /** All roles, if an identity provider names more than one. Access rules consider each of them. */
  readonly roles?: readonly Role[]
  readonly scopes: readonly string[]
  readonly method: 'api-key' | 'jwt'
  /**
   * Data about the caller from `verifyKey`, `enrich`, the configured claims, or the metadata of a managed
   * key. Empty if there is none.
   */
  readonly attributes: Readonly<PrincipalAttributes>
  /** When the credential expires, in milliseconds since the epoch. Absent: never. */
  readonly expiresAt?: number
  /** The identity provider that issued the token. Absent for keys and for tokens of this server. */
  readonly issuer?: string
  /**
   * The OAuth client that calls on behalf of the caller, if a user signed it in here. The client chose its
   * own name.
   */
  readonly client?: { readonly id: string, readonly name: string }
  /** The id of the API key, if one was used. */
  readonly keyId?: string
  /** When the API key behind a signed-in client was issued. `issuedAt` is the time of its token. */
  readonly keyIssuedAt?: number
  /** The token's `jti`, if it has one. For a signed-in client, the id of the grant. */
  readonly tokenId?: string
  /** When the credential was issued (from the token or the key file), in milliseconds since the epoch. */
  readonly issuedAt?: number
}

/** The principal id for a token of this server. */
export function tokenPrincipalId (subject: string): string {
  return `jwt:${subject}`
}

/**
 * The principal id for a token of this server, given its subject or the id itself. Throws a `RangeError` if
 * `text` looks like an id of another kind, because the user most likely means that caller. For a token
 * subject of that form, pass the full id, such as `jwt:user:ada`.
 */
export function principalIdOf (text: string): string {
  if (text.startsWith('jwt:')) return text
  if (readsLikePrincipal(text)) throw new RangeError('that is a caller id, not a user id')
  return tokenPrincipalId(text)
}

/** True if `text` has the prefix of a principal id, of any kind. */
export function readsLikePrincipal (text: string): boolean {
  return /^(jwt|user|apikey|oauth|oauth@[^:]*):/.test(text)
}

/** The fields of a new principal. `attributes` may be left out. */
export type PrincipalFields = Omit<Principal, 'attributes'> & { readonly attributes?: Readonly<PrincipalAttributes> }

/** Freezes a principal with its scopes, roles and attributes, so that a handler cannot extend its rights. */
export function freezePrincipal ({ attributes = noAttributes, ...principal }: PrincipalFields): Principal {
  return Object.freeze({
    ...principal,
    scopes: Object.freeze([...principal.scopes]),
    ...(principal.roles === undefined ? {} : { roles: Object.freeze([...principal.roles]) }),
    attributes: attributes === noAttributes ? noAttributes : freezeAttributes(attributes)
  })
}

/** The fields of a principal that a host passes. Defaults: the role `user` and no scopes. */
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

/** True if both principals have the same rights. */
export function haveSameRights (one: Principal, other: Principal): boolean {
  if (one === other) return true
  return one.id === other.id && one.role === other.role && isDeepStrictEqual(one.roles, other.roles) &&
    isDeepStrictEqual(one.scopes, other.scopes) && isDeepStrictEqual(one.attributes, other.attributes)
}
