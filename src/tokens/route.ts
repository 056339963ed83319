/** Selects the verifier of a token by its issuer, so that only that issuer's keys are tried. */
import type { Eventually } from '../lib/eventually.js'
import { claimedHeader } from './claims.js'
import { keyAsToken, rejected, type Verdict } from '../principal/presented.js'
import type { Principal } from '../principal/principal.js'
import { claimedIssuer, type IssuerVerifier } from './provider/issuer.js'

const unknownIssuer = rejected('iss is not a known issuer')

/** Verifies the tokens of this server. */
export type OwnVerifier = (token: string) => Verdict

/** Verifies the tokens of clients that people signed in here. */
export interface GrantVerifier {
  /** True for a token that only this verifier can judge. Reads only the header. */
  readonly isOurs: (token: string) => boolean
  readonly verify: (token: string) => Eventually<Verdict>
  /** True if an earlier verdict still applies. */
  readonly isCurrent: (principal: Principal) => boolean
}

export interface TokenVerifiers {
  readonly own?: OwnVerifier | undefined
  readonly grants?: GrantVerifier | undefined
  /** Identity providers, each with a different `issuer`. */
  readonly issuers?: readonly IssuerVerifier[]
}

/**
 * Creates the function that selects the verifier. A token of a signed-in client goes to `grants`. A token
 * that names a known issuer goes to that issuer and is checked only with its keys. Other HS256 tokens go to
 * `own`. All others go to the only issuer, if there is just one, for a precise reason. `undefined` if no
 * tokens are accepted.
 */
export function routeTokens ({
  own,
  grants,
  issuers = []
}: TokenVerifiers): ((token: string) => Eventually<Verdict>) | undefined {
  const [first, ...others] = issuers
  if (own === undefined && grants === undefined) {
    if (first === undefined) return undefined
    if (others.length === 0) return first.verify
  }
  if (own !== undefined && grants === undefined && first === undefined) return own
  const byIssuer = new Map<unknown, IssuerVerifier>(issuers.map(issuer => [issuer.issuer, issuer]))
  return token => {
    if (grants?.isOurs(token) === true) return grants.verify(token)
    const named = byIssuer.get(claimedIssuer(token))
    if (named !== undefined) return named.verify(token)
    if (own !== undefined && (first === undefined || claimedHeader(token).alg === 'HS256')) return own(token)
    if (first !== undefined && others.length === 0) return first.verify(token)
    return token.includes('.') ? unknownIssuer : keyAsToken
  }
}
