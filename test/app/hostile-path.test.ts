/** Other spellings of the endpoint's path reach nothing, and are charged to the address. */
import t from 'tap'
import { rawPost } from '../support/raw-socket.js'
import { callOf, listening, post, rpc, service, withKey } from '../support/service.js'

async function raw (base: string, path: string, headers: string[] = []): Promise<{ status: number, text: string }> {
  const text = await rawPost(Number(new URL(base).port), path, headers, callOf('whoami'))
  return { status: Number(text.split(' ')[1]), text }
}

const paths: Array<[string, string, number]> = [
  ['capitals', '/MCP', 404],
  ['one capital', '/Mcp', 404],
  ['two leading slashes', '//mcp', 404],
  ['a slash inside', '/m/cp', 404],
  ['an encoded slash at the end', '/mcp%2f', 404],
  ['a dot', '/./mcp', 404],
  ['a parent directory', '/health/../mcp', 404],
  ['an encoded parent directory', '/health/%2e%2e/mcp', 404],
  ['a backslash', '/\\mcp', 404],
  ['a semicolon', '/mcp;x=1', 404],
  ['a NUL', '/mcp%00', 404],
  ['an encoded line break', '/mcp%0d%0aX-Api-Key:%20x', 404],
  ['an extension', '/mcp.json', 404],
  ['a wildcard', '/*', 404],
  ['a star', '*', 404],
  ['a parameter', '/:path', 404],
  ['a prototype member', '/__proto__', 404],
  ['ten thousand letters', `/${'a'.repeat(10_000)}`, 404],
  ['a lone percent sign', '/%', 400],
  ['a bad escape', '/%zz', 400],
  ['a bad escape at the end', '/mcp/%', 400],
  ['half of a character', '/%c3', 400],
  ['an overlong dot', '/%c0%ae/mcp', 400]
]

for (const [what, path, status] of paths) {
  t.test(`a path with ${what} gets ${status}, with and without a credential`, async t => {
    const app = await service(t)
    const url = await listening(app)
    for (const headers of [[], ['X-API-Key: nobody-s-key-at-all'], [`X-API-Key: ${withKey['x-api-key']}`]]) {
      const answer = await raw(url, path, headers)
      t.equal(answer.status, status)
      t.notMatch(answer.text, /whoami|nobody-s-key/)
      t.notMatch(answer.text, /^(location|content-location):/mi)
    }
  })
}

for (const [what, path] of [
  ['an encoded letter', '/%6dcp'],
  ['a query', '/mcp?x=1'],
  ['an empty query', '/mcp?'],
  ['a bad escape in the query', '/mcp?x=%zz'],
  ['the full URL', 'http://localhost/mcp'],
  ['a fragment', '/mcp#x']
] as const) {
  t.test(`a path with ${what} reaches the protected endpoint`, async t => {
    const app = await service(t)
    const url = await listening(app)
    const friend = (await raw(url, path, [`X-API-Key: ${withKey['x-api-key']}`])).status
    t.ok([200, 404].includes(friend))
    t.equal((await raw(url, path)).status, friend === 404 ? 404 : 401)
  })
}

t.test('unknown paths without a credential lock the address', async t => {
  const app = await service(t, { env: { PREAUTH_RATE_LIMIT_MAX: '3' } })
  const url = await listening(app)
  t.same(
    [(await raw(url, '/MCP')).status, (await raw(url, '//mcp')).status, (await raw(url, '/%zz')).status],
    [404, 404, 400]
  )
  t.equal((await raw(url, '/MCP')).status, 429)
  t.equal((await raw(url, '/%zz')).status, 429)
  t.equal((await raw(url, '/mcp', [`X-API-Key: ${withKey['x-api-key']}`])).status, 429)
})

t.test('client probes get plain 404s that charge no limit', async t => {
  const app = await service(t, { env: { PREAUTH_RATE_LIMIT_MAX: '1' } })
  for (const url of [
    '/.well-known/oauth-protected-resource',
    '/.well-known/oauth-protected-resource/mcp',
    '/.well-known/oauth-authorization-server',
    '/mcp/.well-known/openid-configuration'
  ]) {
    t.equal((await app.inject({ url })).statusCode, 404)
  }
  t.equal((await post(app, rpc('ping'))).status, 200)
})
