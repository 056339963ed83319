/** Access tokens of signed-in clients (RFC 9068). Their rights never exceed the current rights of the key. */
import { randomUUID } from 'node:crypto'
import { errors, jwtVerify, SignJWT } from 'jose'
import { isRecord } from '../../lib/guards.js'
import { isOfApp } from '../../app-keys/app-keys.js'
import { holdsScope } from '../../principal/access.js'
import { isVerified, rejected, type Verdict, type Verified } from '../../principal/presented.js'
import { freezePrincipal, isRole, type Principal, type PrincipalFields, type Role } from '../../principal/principal.js'
import { claimedHeader, scopesOf } from '../../tokens/claims.js'
import { type GrantKey, type GrantKeys, readSnapshot } from './grant-keys.js'
import type { ServerSecrets } from './secrets.js'

/** The claims of an access token. */
export interface AccessClaims {
  /** The id of the principal. */
  readonly subject: string
  readonly grantId: string
  readonly client: { readonly id: string, readonly name: string }
  /** The highest role that the token may have. */
  readonly role: Role
  readonly scopes: readonly string[]
  /** The key that the user signed in with. Omitted for assertions of an identity provider. */
  readonly key?: GrantKey | undefined
  /** When the user signed in, in milliseconds since the epoch. */
  readonly signedInAt: number
}

export interface AccessTokensOptions {
  readonly secrets: ServerSecrets
  readonly issuer: string
  /** The URL of the endpoint: the `aud` of every token. */
  readonly resource: string
  readonly ttlSeconds: number
  readonly keys: GrantKeys
  readonly isRevoked: (principal: Principal) => boolean
}

export interface AccessTokens {
  sign: (claims: AccessClaims) => Promise<string>
  /**
   * True if the header names a key of this server, so that only `verify` can check the token. Verifies
   * nothing.
   */
  isOurs: (token: string) => boolean
  verify: (token: string) => Promise<Verdict>
  /**
   * True if the key of the grant still has all rights of the principal. Always true for principals of other
   * credentials.
   */
  stillGood: (principal: Principal) => boolean
  /** False if the rights of the key may have changed, so that the token must be verified again. */
  isCurrent: (principal: Principal) => boolean
  /**
   * Returns the principal with the current rights of the key. Rejects with an `UnavailableError` if the app
   * that looks up the key fails.
   */
  rightsNow: (claims: AccessClaims) => Promise<Verdict>
}

export function createAccessTokens ({
  secrets,
  issuer,
  resource,
  ttlSeconds,
  keys,
  isRevoked
}: AccessTokensOptions): AccessTokens {
  const [signing] = secrets.access

  async function rightsNow (claims: AccessClaims, endsAt = Infinity): Promise<Verdict> {
    const { subject, grantId, client, scopes, role, key, signedInAt } = claims
    const common = { id: subject, issuer, client, tokenId: grantId, issuedAt: signedInAt }
    if (key === undefined) return verdictOf({ ...common, role, scopes, method: 'jwt' }, endsAt)
    const about = { subject, tokenId: grantId, keyId: key.keyId }
    const { verdict, maySignIn } = await keys.current(key)
    if (!isVerified(verdict)) return verdict
    const { principal, rateLimitMax } = verdict
    if (!maySignIn) return rejected('the API key cannot sign in clients', about)
    if (principal.id !== subject) return rejected('the API key has another owner now', about)
    if (isRevoked(principal)) return rejected('the API key behind the token was revoked', about)
    const rights = {
      role: lowerRole(role, principal.role),
      attributes: principal.attributes,
      scopes: scopes.filter(scope => holdsScope(principal.scopes, scope)),
      // `api-key`, not `jwt`: if keys must not create tokens (MINT_POLICY), the clients of a key must not
      // either.
      method: 'api-key' as const,
      // Keys that the app looks up may have no id.
      ...(key.keyId === '' ? {} : { keyId: key.keyId }),
      ...(key.issuedAt === undefined ? {} : { keyIssuedAt: key.issuedAt })
    }
    return verdictOf(
      { ...common, ...rights },
      Math.min(endsAt, principal.expiresAt ?? Infinity),
      rateLimitMax
    )
  }

  // Compares the fields of the principal, not its identity, so that an enriched copy also ends with the key.
  function stillGood ({
    id,
    method,
    client,
    keyId,
    keyIssuedAt,
    role,
    scopes,
    expiresAt = Infinity
  }: Principal): boolean {
    // `AppKeys` asks the app about the keys that the app looks up.
    if (client === undefined || keyId === undefined || isOfApp({ id, method })) return true
    const { verdict, maySignIn } = keys.managed({ keyId, issuedAt: keyIssuedAt })
    if (!isVerified(verdict) || !maySignIn || isRevoked(verdict.principal)) return false
    const { principal } = verdict
    return (
      principal.id === id &&
      expiresAt <= (principal.expiresAt ?? Infinity) &&
      (role === principal.role || role === 'user') &&
      scopes.every(scope => holdsScope(principal.scopes, scope))
    )
  }

  return {
    rightsNow,

    async sign ({ subject, grantId, client, role, scopes, key, signedInAt }) {
      const claims = {
        client_id: client.id,
        client_name: client.name,
        grant: grantId,
        role,
        scope: scopes.join(' '),
        auth_time: Math.floor(signedInAt / 1000),
        ...(key === undefined
          ? {}
          : {
              key: {
                id: key.keyId,
                ...(key.issuedAt === undefined ? {} : { at: key.issuedAt }),
                ...(key.app === undefined ? {} : { app: secrets.seal('app', key.app) })
              }
            })
      }
      const iat = Math.floor(Date.now() / 1000)
      return await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: signing.kid })
        .setIssuer(issuer)
        .setSubject(subject)
        .setAudience(resource)
        .setIssuedAt(iat)
        .setExpirationTime(iat + ttlSeconds)
        .setJti(randomUUID())
        .sign(signing.key)
    },

    isOurs: token => {
      const { alg, kid } = claimedHeader(token)
      return alg === 'HS256' && secrets.access.some(key => key.kid === kid)
    },

    async verify (token) {
      const { kid } = claimedHeader(token)
      const signer = secrets.access.find(key => key.kid === kid)
      // The last base64url character of 32 bytes has two unused bits. Only zero is accepted, so that a token
      // has one form.
      if (signer === undefined || !/\.[\w-]{42}[AEIMQUYcgkosw048]$/.test(token)) {
        return rejected('the token does not belong to a signed-in client')
      }
      try {
        const { payload } = await jwtVerify(token, signer.key, {
          algorithms: ['HS256'],
          typ: 'at+jwt',
          issuer,
          audience: resource,
          requiredClaims: ['exp', 'iat', 'sub']
        })
        const claims = readClaims(payload, secrets)
        if (claims === undefined) return rejected('the token of a signed-in client lacks a claim')
        return await rightsNow(claims, (payload.exp ?? 0) * 1000)
      } catch (error) {
        if (!(error instanceof errors.JOSEError)) throw error
        return rejected('the token of a signed-in client does not verify, or has expired')
      }
    },

    stillGood,

    isCurrent: principal => (isOfApp(principal) ? keys.isFresh(principal) : stillGood(principal))
  }
}

/** `admin` is above all other roles. Two other roles cannot be compared, so the result is `user`. */
function lowerRole (ceiling: Role, now: Role): Role {
  return ceiling === now || ceiling === 'admin' ? now : 'user'
}

function verdictOf (principal: PrincipalFields, endsAt: number, rateLimitMax?: number): Verified {
  const frozen = freezePrincipal({ ...principal, ...(endsAt === Infinity ? {} : { expiresAt: endsAt }) })
  return Object.freeze({ principal: frozen, ...(rateLimitMax === undefined ? {} : { rateLimitMax }) })
}

/** `undefined` if a claim is missing: a later version of this server may write other claims. */
function readClaims (
  {
    sub,
    client_id: id,
    client_name: name,
    grant,
    role,
    scope,
    auth_time: time,
    key
  }: Readonly<Record<string, unknown>>,
  secrets: ServerSecrets
): AccessClaims | undefined {
  if (
    typeof sub !== 'string' ||
    typeof id !== 'string' ||
    typeof name !== 'string' ||
    typeof grant !== 'string' ||
    typeof time !== 'number'
  ) { return undefined }
  const reference = key === undefined ? undefined : readReference(key, secrets)
  if (key !== undefined && reference === undefined) return undefined
  return {
    subject: sub,
    grantId: grant,
    client: Object.freeze({ id, name }),
    role: isRole(role) ? role : 'user',
    scopes: scopesOf(scope),
    key: reference,
    signedInAt: time * 1000
  }
}

function readReference (value: unknown, secrets: ServerSecrets): GrantKey | undefined {
  if (!isRecord(value) || typeof value.id !== 'string') return undefined
  const app = typeof value.app === 'string' ? readSnapshot(secrets.open('app', value.app)) : undefined
  if (value.app !== undefined && app === undefined) return undefined
  return {
    keyId: value.id,
    ...(typeof value.at === 'number' ? { issuedAt: value.at } : {}),
    ...(app === undefined ? {} : { app })
  }
}
