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
  /** Its callers are `oauth@<name>:<sub>`. Left out: `oauth:<sub>`, for the one issuer that has no name. */
  readonly name?: string | undefined
  /** The `iss` of its tokens, to the letter: https, or http on loopback. */
  readonly issuer: string
  /** Where its keys are. Left out: where its metadata says. */
  readonly jwksUrl?: string | undefined
  /** Our names: `aud` must hold one of them (RFC 8707). */
  readonly audience: readonly string[]
  /** The claim with the roles, a text or a list: `roles`, `realm_access.roles`. Left out: every caller is a user. */
  readonly rolesClaim?: string | undefined
  /** What an admin is called there, to the letter. Default `admin`. */
  readonly adminRole?: string | undefined
  /** The claim with the scopes, a text or a list. Left out: `scope`, or `scp` where there is no `scope`. */
  readonly scopesClaim?: string | undefined
  /**
   * The claim that holds one of our names, for a provider whose access tokens have no `aud`: `client_id`.
   * An `aud` that is there must hold one, too. Default `aud`.
   */
  readonly audienceClaim?: string | undefined
  /**
   * Take only what declares itself an access token (`typ: at+jwt`, RFC 9068), and nothing with a claim of
   * an ID token. Default false.
   */
  readonly requireAt?: boolean | undefined
  /** Seconds that its clock may be apart from ours. Default 0. */
  readonly toleranceSeconds?: number | undefined
  /** How its keys are cached. */
  readonly cache?: Omit<KeySetOptions, 'load'> | undefined
}

export interface IssuerVerifier {
  readonly issuer: string
  /** Rejects with an `UnavailableError` where only the provider could tell, and it is away. */
  verify: (token: string) => Promise<Verdict>
  /** Fetches its keys ahead, and goes on while there are none. Returns how to end that. */
  begin: () => () => void
  /** What stands in the way of judging its tokens. */
  problems: () => readonly string[]
  /** How old its keys are. */
  health: () => KeySetHealth
}

/** What a token says of itself, believed by nobody yet. */
interface Unverified {
  readonly header: JWTHeaderParameters
  readonly claims: Claims
}

/** No HMAC: a public key would pass for its secret. Which of these a key is good for its `alg` says, or its type. */
const algorithms: ReadonlySet<unknown> = new Set([
  'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'
])
/** RFC 8725 §3.11: other kinds of JWT (logout tokens, DPoP proofs) are signed with the same keys. */
const types: ReadonlySet<unknown> = new Set(['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt'])

/** Throws on an issuer or key set that is not https (http on loopback), and without an audience. */
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
      // First, so that no bad token makes us ask the provider.
      const verdict = judge(unverified, options)
      const { header, claims } = unverified
      const fits = async (key: CryptoKey): Promise<boolean> => await isSignedBy(key, token, header.alg)
      if (!('principal' in verdict)) {
        // For the log, and by the keys at hand: a name that nobody signed would be anybody's.
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

/** What stands before the colon of the ids of its callers. */
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

/** The `iss` that a token claims, for choosing who is to verify it. */
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

/** `jwk`, `jku`, `x5u` and `x5c` of the header are not read: keys come from the configured place alone. */
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
  // RFC 7515 §4.1.11: none of the extensions is understood here, not even an empty list of them.
  if ('crit' in header) return rejected('the token has a crit header')
  if (kid !== undefined && typeof kid !== 'string') return rejected('kid is not a string')
  if (typ !== undefined && !(typeof typ === 'string' && types.has(typ.toLowerCase()))) {
    return rejected('typ is not that of an access token')
  }
  if (claims.iss !== issuer) return rejected('iss is another issuer')
  const named = claimAt(claims, audienceClaim)
  if (named === undefined) return rejected('aud is missing')
  if (!isFor(named, audience)) return rejected('aud is not this server')
  // RFC 7800: valid only with a proof (DPoP, mTLS) that we can't check, and that a thief of the token lacks.
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

/** RFC 9068 §2.1, and none of the claims that ID tokens alone have to have. */
function isDeclaredAccessToken (
  { typ }: JWTHeaderParameters,
  { nonce, at_hash: accessHash, c_hash: codeHash }: Claims
): boolean {
  const isTyped = typeof typ === 'string' && /^(?:application\/)?at\+jwt$/i.test(typ)
  return isTyped && [nonce, accessHash, codeHash].every(claim => claim === undefined)
}

/** What Keycloak calls its other tokens in the payload; the header calls them all JWT. */
const otherKinds: ReadonlySet<unknown> = new Set(['ID', 'Logout', 'Refresh', 'Offline'])

/**
 * True for what a provider signs for its clients alone, where it is for one of our names: ID tokens
 * (OpenID Connect Core §2; Cognito says so in `token_use`) and security events such as logout tokens
 * (RFC 8417). One claim of an ID token is no proof: Dex writes `at_hash` into access tokens, Keycloak `nonce`.
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
  // An admin is one by that one name alone.
  const names = [...new Set(roles.filter(isRole))].filter(name => name !== 'admin')
  const [role = 'user'] = names
  // A caller of a provider is a user, whatever else it is.
  return role === 'user' && names.length < 2
    ? { role, scopes }
    : { role, roles: [...new Set([...names, 'user'])], scopes }
}

function requireSafe (name: string, url: string): void {
  if (!URL.canParse(url) || !isSafeUrl(new URL(url))) throw new Error(`\`${name}\` must be https, or http on loopback`)
}
