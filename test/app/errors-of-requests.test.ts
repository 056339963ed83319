/** Refused requests: the common error shape, the challenge of a 401, and the echoed id. */
import t, { type Test } from 'tap'
import { refusals } from '../../src/errors.js'
import { post, rpc, service, withKey } from '../support/service.js'

/** One request for each refusal that needs no waiting, in an app with default settings. */
const refused: Array<
  [
    string,
    { method?: 'GET' | 'POST'; url?: string; headers?: Record<string, string>; payload?: string },
    number,
    string
  ]
> = [
  ['no credential', { headers: { 'x-api-key': '' } }, 401, 'MCP_ERR_UNAUTHENTICATED'],
  ['a wrong key', { headers: { 'x-api-key': 'nobody-s-key-at-all' } }, 401, 'MCP_ERR_UNAUTHENTICATED'],
  ['a body that is not JSON', { payload: '{' }, 400, 'MCP_ERR_MALFORMED_BODY'],
  ['a body that is not a message', { payload: '7' }, 400, 'MCP_ERR_INVALID_REQUEST'],
  ['a body that is nested too deep', { payload: '['.repeat(65) + ']'.repeat(65) }, 400, 'MCP_ERR_TOO_DEEP'],
  ['a body that is too large', { payload: `"${'x'.repeat(1024 * 1024)}"` }, 413, 'MCP_ERR_BODY_TOO_LARGE'],
  [
    'another content type',
    { headers: { 'content-type': 'text/plain' }, payload: '{}' },
    415,
    'MCP_ERR_UNSUPPORTED_MEDIA_TYPE'
  ],
  ['an Accept without a supported type', { headers: { accept: 'text/html' } }, 406, 'MCP_ERR_NOT_ACCEPTABLE'],
  ['another method', { method: 'GET' }, 405, 'MCP_ERR_METHOD_NOT_ALLOWED'],
  [
    'another revision',
    { headers: { 'mcp-protocol-version': '1999-01-01' } },
    400,
    'MCP_ERR_PROTOCOL_VERSION'
  ],
  ['a foreign origin', { headers: { origin: 'https://evil.example' } }, 403, 'MCP_ERR_ORIGIN_REFUSED'],
  ['a foreign host', { headers: { host: 'evil.example' } }, 403, 'MCP_ERR_HOST_REFUSED'],
  ['an unknown path', { url: '/elsewhere' }, 404, 'MCP_ERR_NOT_FOUND'],
  ['a malformed URL', { url: '/mcp/%zz' }, 400, 'MCP_ERR_BAD_URL']
]

async function refuse (t: Test, [, request, status, code]: typeof refused[number]): Promise<void> {
  const app = await service(t)
  const { method = 'POST', url = '/mcp', headers = {}, payload = JSON.stringify(rpc('ping')) } = request
  const response = await app.inject({
    method,
    url,
    headers: { ...withKey, 'content-type': 'application/json', ...headers },
    ...(method === 'POST' ? { payload } : {})
  })
  t.equal(response.statusCode, status)
  const body = response.json()
  const data = url === '/mcp' ? body.error.data : body
  t.match(data, { code, requestId: /^[\w-]{36}$/ })
  t.notOk('id' in body && body.id === null)
  t.equal(response.headers['cache-control'], 'no-store')
  if (url === '/mcp') {
    t.match(body, { jsonrpc: '2.0', error: { code: Number, message: refusals.get(code)?.description } })
  } else t.equal(body.message, refusals.get(code)?.description)
}

for (const row of refused) {
  t.test(`${row[0]} is refused with ${row[2]} in the common shape`, async t => { await refuse(t, row) })
}

t.test('every 401 has the same challenge', async t => {
  const app = await service(t)
  const bad = [
    { 'x-api-key': 'nobody-s-key-at-all' },
    { authorization: 'Bearer abc' },
    { authorization: 'Bearer a.b.c' }
  ]
  const answers = await Promise.all(bad.map(async headers => await post(app, rpc('ping'), headers)))
  t.same(
    answers.map(({ headers }) => headers['www-authenticate']),
    bad.map(() => 'Bearer realm="mcp", error="invalid_token"')
  )
  const told = answers.map(({ body }) =>
    JSON.stringify({ ...body, error: { ...body.error, data: { ...body.error.data, requestId: '' } } })
  )
  t.equal(new Set(told).size, 1)
  const none = await post(app, rpc('ping'), {})
  t.equal(none.headers['www-authenticate'], 'Bearer realm="mcp"')
})

t.test('an error echoes the id if it could be read, and omits it otherwise', async t => {
  const app = await service(t)
  t.equal((await post(app, { jsonrpc: '1.0', id: 'mine', method: 'x' })).body.id, 'mine')
  for (const id of [null, {}, [], true]) t.notOk('id' in (await post(app, { jsonrpc: '2.0', id, method: 'ping' })).body)
})
