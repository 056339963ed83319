/** The redactor removes each known form of a credential, and nothing else. */
import t from 'tap'
import { createRedactor } from '../../../src/log/redact.js'

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl-_x'
const key = 'mcp_ab12cd34_Zm9vYmFyYmF6cXV4_1f2e3d'
const plain = 'a-plain-old-key'
const cookie = 'sid=s3cr3t-session'

const fields: Array<[string, unknown, string]> = [
  ['an authorization header', { headers: { authorization: 'Bearer opaque-token-1' } }, 'opaque-token-1'],
  [
    'a proxy-authorization header',
    { headers: { 'proxy-authorization': 'Basic dXNlcjpwYXNz' } },
    'dXNlcjpwYXNz'
  ],
  ['an x-api-key header', { a: { b: { c: { 'x-api-key': 'opaque-key-1' } } } }, 'opaque-key-1'],
  ['a header in capitals', { 'X-API-Key': 'opaque-key-1' }, 'opaque-key-1'],
  ['a cookie', { cookie }, 's3cr3t'],
  ['a list of cookies', { 'set-cookie': [`${cookie}; Path=/]`, 'b="q]"; s3cr3t'] }, 's3cr3t'],
  ['a value with quotes', { authorization: 'Bearer "a\\"opaque' }, 'opaque'],
  [
    'raw headers',
    { rawHeaders: ['Host', 'x', 'Authorization', 'Bearer opaque-token-1', 'X-Api-Key', 'opaque-key-1'] },
    'opaque'
  ],
  ['a repeated header', { authorization: ['Bearer opaque-token-1', 'Bearer opaque-token-2'] }, 'opaque'],
  [
    'JSON in a string',
    {
      text: JSON.stringify({
        headers: { authorization: 'Bearer opaque-token-1', 'x-api-key': 'opaque-key-1' }
      })
    },
    'opaque'
  ],
  [
    'JSON in JSON in a string',
    { text: JSON.stringify(JSON.stringify({ 'x-api-key': 'opaque-key-1' })) },
    'opaque'
  ],
  ['raw headers in a string', { text: JSON.stringify(['X-Api-Key', 'opaque-key-1']) }, 'opaque'],
  ['an inspected object', { text: "{ 'x-api-key': 'opaque-key-1' }" }, 'opaque'],
  ['header text', { text: 'GET / HTTP/1.1\r\nX-Api-Key: opaque-key-1\r\nHost: x' }, 'opaque'],
  ['a scheme in prose', { text: 'could not use Bearer opaque-token-1 there' }, 'opaque'],
  ['a query', { url: '/mcp?api_key=opaque-key-1&x=1' }, 'opaque'],
  ['a token in a query', { url: '/mcp?x=1&access_token=opaque-key-1' }, 'opaque'],
  ['a JWT', { text: `before ${jwt} after` }, 'eyJ'],
  ['a JWT that lost its signature', { text: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ' }, 'eyJ'],
  ['the payload of a JWT', { text: 'eyJzdWIiOiJhZGEifQ' }, 'eyJ'],
  ['a JWT as a property name', { [jwt]: 1 }, 'eyJ'],
  ['a key of ours', { path: `/x/${key}` }, 'Zm9vYmFy'],
  ['a configured key', { text: `x${plain}x` }, plain],
  ['a configured key as a name', { [plain]: true }, plain],
  ['a configured key with odd characters', { text: 'p"a\\s+s.$' }, JSON.stringify('p"a\\s+s.$').slice(1, -1)],
  ['a configured key that is the beginning of another', { text: `${plain}-and-more` }, 'and-more']
]
const redact = createRedactor([plain, `${plain}-and-more`, 'p"a\\s+s.$', '', 'ab'])
for (const [what, value, hidden] of fields) {
  t.test(`${what} is redacted, and the line stays JSON`, async t => {
    const line = JSON.stringify({ level: 30, ...value as object, last: 'kept' })
    t.ok(line.includes(hidden))
    const out = redact(line)
    t.notOk(out.includes(hidden), out)
    t.match(out, /\[redacted\]/)
    t.equal(JSON.parse(out).last, 'kept')
  })
}

const kept: Array<[string, object]> = [
  [
    'an ordinary line',
    {
      level: 30,
      reqId: 'b3b2a0a0-5b5a-4b3f-9b7a-0a0a0a0a0a0a',
      method: 'POST',
      path: '/mcp',
      principal: 'apikey:0123456789ab',
      code: 'MCP_ERR_METHOD_NOT_ALLOWED',
      msg: 'request'
    }
  ],
  [
    'the names of plugins and headers',
    { plugin: 'mcp-preauth-limit', text: 'no x-api-key and no authorization header' }
  ],
  ['a word that a short secret would hit', { text: 'about' }]
]
for (const [what, value] of kept) {
  t.test(`${what} is not redacted`, async t => {
    t.equal(redact(JSON.stringify(value)), JSON.stringify(value))
  })
}
