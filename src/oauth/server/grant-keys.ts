/** The keys behind grants: managed and listed ones, and those that an app looks up in a database of its own. */
import type { KeyReference, Referred } from '../../api-keys/ring.js'
import type { Eventually } from '../../lib/eventually.js'
import { isRecord } from '../../lib/guards.js'
import type { PrincipalAttributes } from '../../principal/attributes.js'
import { rejected, type Verdict, type Verified } from '../../principal/presented.js'
import { freezePrincipal, type Principal, type Role } from '../../principal/principal.js'

/** What an app said of a key of its own when it was given: without the key nobody can ask for it again. */
export interface AppSnapshot {
  readonly id: string
  readonly role: Role
  readonly scopes: readonly string[]
  readonly attributes: Readonly<Record<string, unknown>>
  readonly expiresAt?: number
  readonly rateLimitMax?: number
}

export interface GrantKey extends KeyReference {
  /** Only of a key that the app looks up. */
  readonly app?: AppSnapshot
}

/** The keys that an app looks up itself. */
export interface AppKeyPort {
  readonly verify: (asked: {
    readonly key: string
    readonly digest: string
    readonly address: string
    readonly requestId: string
  }) => Eventually<Verdict>
  /** Whether it can say later on, without the key, if a caller is still good. */
  readonly canTell: boolean
  readonly confirm: (principal: Principal) => Promise<boolean>
  readonly isConfirmed: (principal: Principal) => boolean
}

export interface GrantKeysOptions {
  /** Those of the list and of the file, as they are now. */
  readonly lookUp: (reference: KeyReference) => Referred
  /** Left out, or `null`: the app looks up none. */
  readonly appKeys?: (() => AppKeyPort | null) | undefined
}

export interface GrantKeys {
  /** The key behind a grant, as it is now. Rejects with an `UnavailableError` where the app cannot tell. */
  readonly current: (key: GrantKey) => Eventually<Referred>
  readonly managed: (reference: KeyReference) => Referred
  /** Whether the app has said of its caller a short while ago that it is good. */
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

/** The key that proved a verdict, as a grant remembers it. */
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

/** What was sealed by this server; a later version may write another form. */
export function readSnapshot (value: unknown): AppSnapshot | undefined {
  if (
    !isRecord(value) ||
    typeof value.id !== 'string' ||
    !Array.isArray(value.scopes) ||
    !isRecord(value.attributes)
  ) { return undefined }
  return value as unknown as AppSnapshot
}
