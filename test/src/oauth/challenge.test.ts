/** The exact `WWW-Authenticate` header of refusals. */
import t from 'tap'
import { createChallenge } from '../../../src/oauth/challenge.js'

const url = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp'

t.test('a challenge without a provider has a realm, and an error for a credential', async (t) => {
  const challenge = createChallenge({ realm: 'mcp' })
  t.equal(challenge({}), 'Bearer realm="mcp"')
  t.equal(challenge({ error: 'invalid_token' }), 'Bearer realm="mcp", error="invalid_token"')
})

t.test('a challenge with a provider has metadata and scope', async (t) => {
  const challenge = createChallenge({ realm: 'mcp', resourceMetadata: url, scopes: ['mcp:tools', 'mcp:read'] })
  t.equal(challenge({}), `Bearer realm="mcp", scope="mcp:tools mcp:read", resource_metadata="${url}"`)
  t.equal(
    challenge({ error: 'insufficient_scope', scopes: ['files:write'] }),
    `Bearer realm="mcp", error="insufficient_scope", scope="files:write", resource_metadata="${url}"`
  )
})

for (const [what, scope] of [
  ['a quote', 'a", error="x'],
  ['a space', 'a b'],
  ['a backslash', 'a\\'],
  ['a line break', 'a\r\nx-evil: 1'],
  ['nothing', ''],
  ['an umlaut', 'ä']
] as const) {
  t.test(`a scope with ${what} is omitted`, async t => {
    t.equal(createChallenge({ realm: 'mcp' })({ scopes: [scope, 'ok'] }), 'Bearer realm="mcp", scope="ok"')
  })
}

for (const [what, options] of [
  ['a realm with a quote', { realm: '"' }],
  ['a realm with a line break', { realm: 'a\r\nb' }],
  ['an address with a quote', { realm: 'mcp', resourceMetadata: 'https://a"b' }]
] as const) {
  t.test(`${what} is refused at the start`, async t => {
    t.throws(() => createChallenge(options), Error)
  })
}
