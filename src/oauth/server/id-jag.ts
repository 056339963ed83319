/** Verifies identity assertions of an identity provider (ID-JAG, RFC 7523 §2.1). */
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose'
import { sha256 } from '../../lib/sha256.js'
import type { Role } from '../../principal/principal.js'
import { claimAt, readClaims, scopesOf } from '../../tokens/claims.js'
import { createKeyLoader } from '../../tokens/provider/discovery.js'
import { createKeySet, type JwkSet, type KeySetOptions } from '../../tokens/provider/jwks.js'
import { namesResource } from './authorization-request.js'
import { type Documents, useOnce } from './documents/documents.js'
import { OAuthError } from './protocol/oauth-error.js'

export interface TrustedIssuer {
  /** The exact value of `iss`: an https URL, or http on loopback. */
  readonly issuer: string
  /** URL of its keys. Default: the `jwks_uri` of its metadata. */
  readonly jwksUrl?: string | undefined
  /** Prefix of the ids of its callers, such as `oauth` or `oauth@team`. Must be unique. */
  readonly prefix: string
  /** The claim with the roles. Default: every caller has the role `user`. */
  readonly rolesClaim?: string | undefined
  readonly adminRole?: string | undefined
  /** How its keys are cached. */
  readonly cache?: Omit<KeySetOptions, 'load'> | undefined
}

export interface IdJagOptions {
  readonly issuers: readonly TrustedIssuer[]
  readonly documents: Documents
  /** The issuer of this server, which is the required `aud`. */
  readonly issuer: string
  readonly resource: string
  readonly toleranceSeconds: number
}

/** The caller that an assertion identifies. */
export interface Vouched {
  /** The id of the principal. */
  readonly subject: string
  readonly role: Role
  readonly scopes: readonly string[]
}

/**
 * Rejects with `invalid_grant`, or with `temporarily_unavailable` if the keys of the issuer cannot be
 * fetched.
 */
export type IdJagVerifier = (assertion: string, clientId: string) => Promise<Vouched>

const algorithms: ReadonlySet<unknown> = new Set(['RS256', 'PS256', 'ES256', 'EdDSA'])
const maxLength = 15 * 1024
const longestLifeSeconds = 60 * 60

export function createIdJagVerifier ({
  issuers,
  documents,
  issuer: own,
  resource,
  toleranceSeconds
}: IdJagOptions): IdJagVerifier {
  const trusted = new Map<unknown, TrustedIssuer & { readonly keys: JwkSet }>(
    issuers.map(entry => [
      entry.issuer,
      {
        ...entry,
        keys: createKeySet({ ...entry.cache, load: createKeyLoader(entry.issuer, entry.jwksUrl) })
      }
    ])
  )

  return async (assertion, clientId) => {
    const { header, claims } = decode(assertion)
    const { alg, typ } = header
    if (typeof typ !== 'string' || !/^(?:application\/)?oauth-id-jag\+jwt$/i.test(typ)) {
      throw refused('typ is not oauth-id-jag+jwt')
    }
    if (typeof alg !== 'string' || !algorithms.has(alg)) throw refused('alg is not accepted')
    if ('crit' in header) throw refused('it has a crit header')
    // Checked before any key is fetched, so that an unknown issuer cannot trigger a request (SSRF).
    const issuer = trusted.get(claims.iss)
    if (issuer === undefined) throw refused('iss is not a trusted issuer')
    if (
      claims.aud !== own &&
      !(Array.isArray(claims.aud) && claims.aud.length === 1 && claims.aud[0] === own)
    ) { throw refused('aud is not this server') }
    if (claims.client_id !== clientId) throw refused('client_id names another client')
    if (typeof claims.resource !== 'string' || !namesResource(claims.resource, resource)) {
      throw refused('resource is not the endpoint', 'invalid_target')
    }
    if (claims.cnf !== undefined) throw refused('it is bound to a key')
    const checked = readClaims(claims, { toleranceSeconds }, Date.now())
    if (typeof checked === 'string') throw refused(checked)
    const { sub, jti, issuedAt, expiresAt } = checked
    if (jti === undefined || jti === '' || issuedAt === undefined) throw refused('jti or iat is missing')
    if (expiresAt - issuedAt > (longestLifeSeconds + 2 * toleranceSeconds) * 1000) {
      throw refused('it is valid for more than an hour')
    }
    const key = await issuer.keys.find(
      { ...header, alg },
      async candidate =>
        await compactVerify(assertion, candidate, { algorithms: [alg] }).then(
          () => true,
          () => false
        )
    )
    if (key === undefined) throw refused('no key of the issuer verifies it')
    if (!(await useOnce(documents, sha256(`id-jag ${issuer.issuer} ${jti}`), expiresAt + 1000))) {
      throw refused('its jti was used before')
    }
    const roles = issuer.rolesClaim === undefined ? [] : [claimAt(claims, issuer.rolesClaim)].flat()
    return {
      subject: `${issuer.prefix}:${sub}`,
      role: roles.includes(issuer.adminRole ?? 'admin') ? 'admin' : 'user',
      scopes: scopesOf(claims.scope)
    }
  }
}

function decode (assertion: string): {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
} {
  try {
    if (assertion.length <= maxLength) {
      return { header: { ...decodeProtectedHeader(assertion) }, claims: decodeJwt(assertion) }
    }
  } catch {
    // Not a JWT: refused below.
  }
  throw refused('it is not a JWT')
}

function refused (reason: string, code: 'invalid_grant' | 'invalid_target' = 'invalid_grant'): OAuthError {
  return new OAuthError(
    code,
    code === 'invalid_target'
      ? 'The resource must be the endpoint of this server'
      : 'The assertion is not valid',
    { reason: `the assertion is not valid: ${reason}` }
  )
}
