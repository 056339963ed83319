/** The options of a host for identity providers, as each part of the chain is given them. */
import t from 'tap'
import { tokenParts } from '../../../src/oauth/settings.js'

const audience = ['urn:us']
const [issuer, other] = ['https://id.example.com', 'https://other.example.com']

t.test('jwksTimeoutMs counts for each provider that has no timeout of its own', async t => {
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
