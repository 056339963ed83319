/** The keys of grants: managed keys, those of `API_KEYS`, and keys that the app looks up. */
import type { KeyReference, Referred } from '../../api-keys/ring.js'
import type { Eventually } from '../../lib/eventually.js'
import { isRecord } from '../../lib/guards.js'
import type { PrincipalAttributes } from '../../principal/attributes.js'
import { rejected, type Verdict, type Verified } from '../../principal/presented.js'
import { freezePrincipal, type Principal, type Role } from '../../principal/principal.js'

/**
 * The answer of the app for a key at the sign-in. The key itself is not stored, so it cannot be looked up
 * again.
 */
export interface AppSnapshot {
  readonly id: string
  readonly role: Role
  readonly scopes: readonly string[]
  readonly attributes: Readonly<Record<string, unknown>>
  readonly expiresAt?: number
  readonly rateLimitMax?: number
}

export interface GrantKey extends KeyReference {
  /** Only for a key that the app looks up. */
  readonly app?: AppSnapshot
}

/** The keys that an app looks up itself. */
export interface AppKeyPort {
  readonly verify: (question: {
    readonly key: string
    readonly digest: string
    readonly address: string
    readonly requestId: string
  }) => Eventually<Verdict>
  /** True if the app can confirm a caller later, without the key (`stillGood`). */
  readonly canTell: boolean
  readonly confirm: (principal: Principal) => Promise<boolean>
  readonly isConfirmed: (principal: Principal) => boolean
}

export interface GrantKeysOptions {
  /** Returns the current state of a managed key or a key of `API_KEYS`. */
  readonly lookUp: (reference: KeyReference) => Referred
  /** Returns `null` if the app looks up no keys. Default: none. */
  readonly appKeys?: (() => AppKeyPort | null) | undefined
}

export interface GrantKeys {
  /** Returns the current state of the key of a grant. Rejects with an `UnavailableError` if the app fails. */
  readonly current: (key: GrantKey) => Eventually<Referred>
  readonly managed: (reference: KeyReference) => Referred
  /** True if the app confirmed its caller a short time ago. */
  readonly isFresh: (principal: Principal) => boolean
}

const unknown: Referred = Object.freeze({
  verdict: rejected('the app no longer knows the API key'),
  maySignIn: false
})

export function createGrantKeys ({ lookUp, appKeys = () => null }: GrantKeysOptions): GrantKeys {
  async function ofApp (keyId: string, snapshot: AppSnapshot): Promise<Referred> {
    const port = appKeys()
    if (port === null || !port.canTell) return unknown
    const { rateLimitMax, ...rest } = snapshot
    if (rest.expiresAt !== undefined && rest.expiresAt <= Date.now()) return unknown
    const principal = freezePrincipal({
      ...rest,
      method: 'api-key',
      ...(keyId === '' ? {} : { keyId }),
      attributes: rest.attributes as PrincipalAttributes
    })
    if (!await port.confirm(principal)) return unknown
    return { verdict: { principal, ...(rateLimitMax === undefined ? {} : { rateLimitMax }) }, maySignIn: true }
  }

  return {
    managed: lookUp,
    current: ({ app, ...reference }) => app === undefined ? lookUp(reference) : ofApp(reference.keyId, app),
    isFresh: principal => appKeys()?.isConfirmed(principal) === true
  }
}

/** The reference to a verified key that is stored in its grant. */
export function grantKeyOf (verified: Verified, isOfApp: boolean): GrantKey {
  const { principal: { id, role, scopes, attributes, expiresAt, keyId = '', issuedAt }, rateLimitMax } = verified
  if (!isOfApp) return { keyId, ...(issuedAt === undefined ? {} : { issuedAt }) }
  const app = {
    id,
    role,
    scopes,
    attributes: { ...attributes },
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(rateLimitMax === undefined ? {} : { rateLimitMax })
  }
  return { keyId, app }
}

/** `undefined` if the form is unknown: a later version of this server may write another. */
export function readSnapshot (value: unknown): AppSnapshot | undefined {
  if (
    !isRecord(value) ||
    typeof value.id !== 'string' ||
    !Array.isArray(value.scopes) ||
    !isRecord(value.attributes)
  ) { return undefined }
  return value as unknown as AppSnapshot
}
