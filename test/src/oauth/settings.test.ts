/** The options for identity providers that each part of the chain receives. */
import t from 'tap'
import { tokenParts } from '../../../src/oauth/settings.js'

const audience = ['urn:us']
const [issuer, other] = ['https://id.example.com', 'https://other.example.com']

t.test('jwksTimeoutMs applies to each provider without its own timeout', async t => {
  const settings = {
    audience,
    oauth: { issuer },
    issuers: [{ name: 'plain', issuer: other }, { name: 'own', issuer: `${other}/own`, cache: { timeoutMs: 7 } }],
    jwksTimeoutMs: 5000
  }
  const parts = tokenParts(settings, undefined, '/mcp')
  t.equal(parts.oauth?.cache?.timeoutMs, 5000)
  t.same(parts.issuers?.map(({ cache }) => cache?.timeoutMs), [5000, 7])
  const { oauth } = tokenParts({ audience, oauth: { issuer } }, undefined, '/mcp')
  t.equal(oauth?.cache?.timeoutMs, undefined, 'the default applies')
})

for (const jwksTimeoutMs of [0, -1, 1.5, NaN, Infinity]) {
  t.test(`jwksTimeoutMs of ${jwksTimeoutMs} is refused`, async t => {
    t.throws(() => tokenParts({ audience, oauth: { issuer }, jwksTimeoutMs }, undefined, '/mcp'), {
      name: 'RangeError',
      message: /jwksTimeoutMs/
    })
  })
}
