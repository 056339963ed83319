/** Routes each token to its verifier. No verifier checks a token with another's keys. */
import t from 'tap'
import type { IssuerVerifier } from '../../../src/tokens/provider/issuer.js'
import { routeTokens } from '../../../src/tokens/route.js'
import { unsigned } from '../../support/issuer.js'

const issuer = 'https://id.example.com'
const own = (): { reason: string } => ({ reason: 'own' })
const provider: IssuerVerifier = {
  issuer,
  verify: async () => ({ reason: 'issuer' }),
  begin: () => () => {},
  problems: () => [],
  health: () => ({ ageMs: undefined, failures: 0 })
}

for (const [what, token, expected] of [
  ['HS256 without an issuer', unsigned({ alg: 'HS256' }, { sub: 'ada' }), 'own'],
  ['HS256 of this server', unsigned({ typ: 'JWT', alg: 'HS256' }, { iss: 'https://mcp.example.com' }), 'own'],
  ['HS256 of the issuer', unsigned({ alg: 'HS256' }, { iss: issuer }), 'issuer'],
  ['RS256 of the issuer', unsigned({ alg: 'RS256' }, { iss: issuer }), 'issuer'],
  ['RS256 of another issuer', unsigned({ alg: 'RS256' }, { iss: 'https://evil.example.com' }), 'issuer'],
  ['RS256 without an issuer', unsigned({ alg: 'RS256' }, {}), 'issuer'],
  ['none', unsigned({ alg: 'none' }, {}), 'issuer'],
  ['hs256', unsigned({ alg: 'hs256' }, {}), 'issuer'],
  ['HS256 in a list', unsigned({ alg: ['HS256'] }, {}), 'issuer'],
  ['HS256 with the issuer in a list', unsigned({ alg: 'HS256' }, { iss: [issuer] }), 'own'],
  ['a header that is null', unsigned('null', {}), 'issuer'],
  ['no token', 'abc', 'issuer'],
  ['nothing', '', 'issuer']
] as const) {
  t.test(`a token with ${what} is routed to ${expected}`, async (t) => {
    t.same(await routeTokens({ own, issuers: [provider] })?.(token), { reason: expected })
  })
}

t.test('with a single verifier every token is routed to it', async (t) => {
  const [hs, rs] = [unsigned({ alg: 'HS256' }, { iss: issuer }), unsigned({ alg: 'RS256' }, {})]
  for (const token of [hs, rs]) {
    t.same(await routeTokens({ own })?.(token), { reason: 'own' })
    t.same(await routeTokens({ issuers: [provider] })?.(token), { reason: 'issuer' })
  }
  t.equal(routeTokens({}), undefined)
})
