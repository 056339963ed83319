/** Signing keys of each algorithm, and a verifier for their tokens. */
import type { Test } from 'tap'
import { createIssuerVerifier, type IssuerOptions } from '../../src/tokens/provider/issuer.js'
import { audience, fakeIssuer, jwksTimeoutMs, signingKey, type SigningKey } from './issuer.js'

export const rsa = await signingKey('RS256', 'rsa')
export const pss = await signingKey('PS256', 'pss')
export const ec = await signingKey('ES256', 'ec')
export const ed = await signingKey('EdDSA', 'ed')

const others = await Promise.all(
  ['RS384', 'RS512', 'PS384', 'PS512', 'ES384', 'ES512', 'Ed25519'].map(alg => signingKey(alg, alg))
)
export const all = [rsa, pss, ec, ed, ...others]

export async function verifierOf (t: Test, keys: readonly SigningKey[] = all, options: Partial<IssuerOptions> = {}) {
  const fake = await fakeIssuer(t, ...keys)
  const cache = { timeoutMs: jwksTimeoutMs }
  return { fake, ...createIssuerVerifier({ issuer: fake.issuer, audience: [audience], cache, ...options }) }
}
