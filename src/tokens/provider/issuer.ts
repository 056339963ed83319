/** Verifies a token of an identity provider and returns its caller (RFC 9068, with known deviations). */
import { compactVerify, type CryptoKey, decodeJwt, decodeProtectedHeader, type JWTHeaderParameters } from 'jose'
import {
  claimAt,
  compactJws,
  isFor,
  expiredToken,
  readClaims,
  scopesOf,
  type ClaimRules,
  type Claims
} from '../claims.js'
import { keyAsToken, rejected, type Verdict } from '../../principal/presented.js'
import { isRole, type Principal } from '../../principal/principal.js'
import { namesOfClaims, tokenPrincipal } from '../token-principal.js'
import { createKeyLoader } from './discovery.js'
import { createKeySet, type KeySetHealth, type KeySetOptions } from './jwks.js'
import { isSafeUrl } from '../../net/loopback.js'

export interface IssuerOptions extends Pick<ClaimRules, 'principalClaims' | 'keepClaims'> {
  /**
   * Its callers get ids like `oauth@<name>:<sub>`. Left out: `oauth:<sub>`. Only one issuer may have no name.
   */
  readonly name?: string | undefined
  /** The exact `iss` of its tokens: https, or http on loopback. */
  readonly issuer: string
  /** The address of its key set. Left out: the address in its metadata. */
  readonly jwksUrl?: string | undefined
  /** The names of this server. `aud` must contain one of them (RFC 8707). */
  readonly audience: readonly string[]
  /** The claim with the roles, a string or a list. Left out: every caller has the role `user`. */
  readonly rolesClaim?: string | undefined
  /** The exact name of the provider's admin role. Default `admin`. */
  readonly adminRole?: string | undefined
  /** The claim with the scopes (a string or a list). Default: `scope`, or `scp` if there is no `scope`. */
  readonly scopesClaim?: string | undefined
  /**
   * The claim that must contain one of our names, for a provider whose access tokens have no `aud`, such as
   * `client_id`. An `aud` that exists must still contain one. Default `aud`.
   */
  readonly audienceClaim?: string | undefined
  /**
   * Accept only tokens that are declared as access tokens (`typ: at+jwt`, RFC 9068) and have no claims of ID
   * tokens. Default false.
   */
  readonly requireAt?: boolean | undefined
  /** Seconds that its clock may differ from ours. Default 0. */
  readonly toleranceSeconds?: number | undefined
  /** Options for the cache of its keys. */
  readonly cache?: Omit<KeySetOptions, 'load'> | undefined
}

export interface IssuerVerifier {
  readonly issuer: string
  /** Rejects with an `UnavailableError` if the provider's keys are needed and cannot be fetched. */
  verify: (token: string) => Promise<Verdict>
  /** Fetches its keys in advance, and retries until there are some. Returns a function that stops it. */
  begin: () => () => void
  /** Problems that prevent the verification of its tokens, as sentences. */
  problems: () => readonly string[]
  /** The age of its keys. */
  health: () => KeySetHealth
}

/** A decoded token that is not verified yet. */
interface Unverified {
  readonly header: JWTHeaderParameters
  readonly claims: Claims
}

/**
 * Excludes HMAC: a public key could be used as its secret. A key's `alg` or type limits which of these apply.
 */
const algorithms: ReadonlySet<unknown> = new Set([
  'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'
])
/** RFC 8725 §3.11: the same keys also sign other kinds of JWT, such as logout tokens. */
const types: ReadonlySet<unknown> = new Set(['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt'])

/** Throws if the issuer or key set is not https (or http on loopback), or if there is no audience. */
export function createIssuerVerifier (options: IssuerOptions): IssuerVerifier {
  const { issuer, jwksUrl, audience, cache } = options
  requireSafe('issuer', issuer)
  if (jwksUrl !== undefined) requireSafe('jwksUrl', jwksUrl)
  if (audience.length === 0) {
    throw new Error(
      'An issuer requires an `audience`: otherwise its tokens for any other service would be accepted'
    )
  }
  const keys = createKeySet({ ...cache, load: createKeyLoader(issuer, jwksUrl) })

  return {
    issuer,

    async verify (token) {
      const unverified = decode(token)
      if (unverified === undefined) return token.includes('.') ? rejected('the token is not a JWT') : keyAsToken
      // Judged before the signature, so that an invalid token does not cause a request to the provider.
      const verdict = judge(unverified, options)
      const { header, claims } = unverified
      const fits = async (key: CryptoKey): Promise<boolean> => await isSignedBy(key, token, header.alg)
      if (!('principal' in verdict)) {
        // The log names the caller only if a cached key verifies the signature, because names can be forged.
        const isNamed = verdict.reason === expiredToken && await keys.findHeld(header, fits) !== undefined
        return isNamed ? rejected(verdict.reason, namesOfClaims(issuerPrefix(options.name), claims)) : verdict
      }
      const key = await keys.find(header, fits)
      return key === undefined ? rejected('no key of the issuer verifies it') : verdict
    },

    begin: keys.begin,
    problems: keys.problems,
    health: keys.health
  }
}

/** The prefix of its callers' ids, up to the colon. */
export function issuerPrefix (name: string | undefined): string {
  return name === undefined ? 'oauth' : `oauth@${name}`
}

async function isSignedBy (key: CryptoKey, token: string, alg: string): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [alg] })
    return true
  } catch {
    return false
  }
}

/** The unverified `iss` of a token. It selects the verifier. */
export function claimedIssuer (token: string): unknown {
  return decode(token)?.claims.iss
}

function decode (token: string): Unverified | undefined {
  if (!compactJws.test(token)) return undefined
  try {
    return { header: decodeProtectedHeader(token) as JWTHeaderParameters, claims: decodeJwt(token) }
  } catch {
    return undefined
  }
}

/** Ignores `jwk`, `jku`, `x5u` and `x5c` in the header: keys come only from the configured address. */
function judge (
  { header, claims }: Unverified,
  {
    name,
    issuer,
    principalClaims,
    keepClaims,
    audience,
    audienceClaim = 'aud',
    requireAt = false,
    toleranceSeconds,
    ...mapping
  }: IssuerOptions
): Verdict {
  const { alg, kid, typ } = header
  if (!algorithms.has(alg)) return rejected('alg is not accepted')
  // RFC 7515 §4.1.11: no extension is supported, and an empty list is invalid.
  if ('crit' in header) return rejected('the token has a crit header')
  if (kid !== undefined && typeof kid !== 'string') return rejected('kid is not a string')
  if (typ !== undefined && !(typeof typ === 'string' && types.has(typ.toLowerCase()))) {
    return rejected('typ is not that of an access token')
  }
  if (claims.iss !== issuer) return rejected('iss is another issuer')
  const named = claimAt(claims, audienceClaim)
  if (named === undefined) return rejected('aud is missing')
  if (!isFor(named, audience)) return rejected('aud is not this server')
  // RFC 7800: the token requires a proof of possession (DPoP, mTLS), which we cannot check.
  if (claims.cnf !== undefined) return rejected('the token is bound to a key')
  if (isOtherKind(claims)) return rejected('it is not an access token')
  if (requireAt && !isDeclaredAccessToken(header, claims)) {
    return rejected('it is not marked as an access token')
  }
  const sound = readClaims(claims, { audience, toleranceSeconds }, Date.now())
  if (typeof sound === 'string') return rejected(sound)
  return tokenPrincipal(
    { id: `${issuerPrefix(name)}:${sound.sub}`, ...rightsOf(claims, mapping), issuer },
    { claims, sound },
    { principalClaims, keepClaims }
  )
}

/** RFC 9068 §2.1; refuses claims that only ID tokens have. */
function isDeclaredAccessToken (
  { typ }: JWTHeaderParameters,
  { nonce, at_hash: accessHash, c_hash: codeHash }: Claims
): boolean {
  const isTyped = typeof typ === 'string' && /^(?:application\/)?at\+jwt$/i.test(typ)
  return isTyped && [nonce, accessHash, codeHash].every(claim => claim === undefined)
}

/** The `typ` of Keycloak's other tokens. It is in the payload; the header always says `JWT`. */
const otherKinds: ReadonlySet<unknown> = new Set(['ID', 'Logout', 'Refresh', 'Offline'])

/**
 * True for tokens that a provider issues to its clients, even if `aud` contains one of our names: ID tokens
 * (OpenID Connect Core §2; `token_use` at Cognito) and security events such as logout tokens (RFC 8417). A
 * single claim of ID tokens is no evidence: Dex puts `at_hash` into access tokens, and Keycloak `nonce`.
 */
function isOtherKind ({ typ, token_use: use, events, nonce, at_hash: accessHash, c_hash: codeHash }: Claims): boolean {
  return (
    otherKinds.has(typ) ||
    use === 'id' ||
    events !== undefined ||
    (nonce !== undefined && (accessHash !== undefined || codeHash !== undefined))
  )
}

type Mapping = Pick<IssuerOptions, 'rolesClaim' | 'adminRole' | 'scopesClaim'>

function rightsOf (
  claims: Claims,
  { rolesClaim, adminRole = 'admin', scopesClaim }: Mapping
): Pick<Principal, 'role' | 'roles' | 'scopes'> {
  const roles = rolesClaim === undefined ? [] : [claimAt(claims, rolesClaim)].flat()
  const scopes = scopesOf(
    scopesClaim === undefined ? (claims.scope ?? claims.scp) : claimAt(claims, scopesClaim)
  )
  if (roles.includes(adminRole)) return { role: 'admin', scopes }
  // Only the exact name of the admin role makes an admin.
  const names = [...new Set(roles.filter(isRole))].filter(name => name !== 'admin')
  const [role = 'user'] = names
  // Every caller of a provider has at least the role `user`.
  return role === 'user' && names.length < 2
    ? { role, scopes }
    : { role, roles: [...new Set([...names, 'user'])], scopes }
}

function requireSafe (name: string, url: string): void {
  if (!URL.canParse(url) || !isSafeUrl(new URL(url))) throw new Error(`\`${name}\` must be https, or http on loopback`)
}
