/** Chooses who verifies a token, so that it meets the keys of one side only. */
import type { Eventually } from '../lib/eventually.js'
import { claimedHeader } from './claims.js'
import type { Verdict } from '../principal/presented.js'
import { claimedIssuer, type IssuerVerifier } from './provider/issuer.js'

/** Verifies the tokens of this server. */
export type OwnVerifier = (token: string) => Verdict

/**
 * A token that names the issuer is checked with the issuer's keys alone, and never with our secret;
 * of the others those by HS256 go to `own`, and the rest to the issuer, who will not know them.
 * `undefined` where there is neither.
 */
export function routeTokens (own: OwnVerifier | undefined, issuer: IssuerVerifier | undefined): ((token: string) => Eventually<Verdict>) | undefined {
  if (own === undefined || issuer === undefined) return own ?? issuer?.verify
  return (token) => claimedHeader(token).alg === 'HS256' && claimedIssuer(token) !== issuer.issuer ? own(token) : issuer.verify(token)
}
