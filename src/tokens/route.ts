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
  /** True for a token that only this one can judge. Looks at the header alone. */
  readonly isOurs: (token: string) => boolean
  readonly verify: (token: string) => Eventually<Verdict>
  /** Whether what was verified a while ago needs no second look. */
  readonly isCurrent: (principal: Principal) => boolean
}

export interface TokenVerifiers {
  readonly own?: OwnVerifier | undefined
  readonly grants?: GrantVerifier | undefined
  /** Identity providers, each with an `issuer` of its own. */
  readonly issuers?: readonly IssuerVerifier[]
}

/**
 * A token of a signed-in client goes to `grants`, and one that names an issuer to that issuer, whose keys alone check
 * it: never our secret, and never the keys of another issuer. Of the others those by HS256 go to `own`, and the rest
 * to the only issuer, who says why it does not know them. `undefined` where no token is accepted.
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
