/** No credential or part of one stands in the log, at any level. */
import Fastify from 'fastify'
import t from 'tap'
import errors from '../../../plugins/errors.js'
import { createRedactor, loggable } from '../../../src/http/request-log.js'
import { serverOptions } from '../../../src/http/server-options.js'
import { logSink } from '../../support/log-sink.js'

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl-_x'
const key = 'mcp_ab12cd34_Zm9vYmFyYmF6cXV4_1f2e3d'
const plain = 'a-plain-old-key'
const cookie = 'sid=s3cr3t-session'

const fields: Array<[string, unknown, string]> = [
  ['an authorization header', { headers: { authorization: 'Bearer opaque-token-1' } }, 'opaque-token-1'],
  ['a proxy-authorization header', { headers: { 'proxy-authorization': 'Basic dXNlcjpwYXNz' } }, 'dXNlcjpwYXNz'],
  ['an x-api-key header', { a: { b: { c: { 'x-api-key': 'opaque-key-1' } } } }, 'opaque-key-1'],
  ['a header in capitals', { 'X-API-Key': 'opaque-key-1' }, 'opaque-key-1'],
  ['a cookie', { cookie }, 's3cr3t'],
  ['a list of cookies', { 'set-cookie': [`${cookie}; Path=/]`, 'b="q]"; s3cr3t'] }, 's3cr3t'],
  ['a value with quotes', { authorization: 'Bearer "a\\"opaque' }, 'opaque'],
  ['raw headers', { rawHeaders: ['Host', 'x', 'Authorization', 'Bearer opaque-token-1', 'X-Api-Key', 'opaque-key-1'] }, 'opaque'],
  ['a repeated header', { authorization: ['Bearer opaque-token-1', 'Bearer opaque-token-2'] }, 'opaque'],
  ['JSON in a string', { text: JSON.stringify({ headers: { authorization: 'Bearer opaque-token-1', 'x-api-key': 'opaque-key-1' } }) }, 'opaque'],
  ['JSON in JSON in a string', { text: JSON.stringify(JSON.stringify({ 'x-api-key': 'opaque-key-1' })) }, 'opaque'],
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
  ['a configured key that begins another', { text: `${plain}-and-more` }, 'and-more']
]
const redact = createRedactor([plain, `${plain}-and-more`, 'p"a\\s+s.$', '', 'ab'])
for (const [what, value, hidden] of fields) {
  t.test(`${what} is blotted out, and the line stays JSON`, async t => {
    const line = JSON.stringify({ level: 30, ...value as object, last: 'kept' })
    t.ok(line.includes(hidden))
    const out = redact(line)
    t.notOk(out.includes(hidden), out)
    t.match(out, /\[redacted\]/)
    t.equal(JSON.parse(out).last, 'kept')
  })
}

const kept: Array<[string, object]> = [
  ['an ordinary line', { level: 30, reqId: 'b3b2a0a0-5b5a-4b3f-9b7a-0a0a0a0a0a0a', method: 'POST', path: '/mcp', principal: 'apikey:0123456789ab', code: 'MCP_ERR_METHOD_NOT_ALLOWED', msg: 'request' }],
  ['the names of plugins and headers', { plugin: 'mcp-preauth-limit', text: 'no x-api-key and no authorization header' }],
  ['a word that a short secret would hit', { text: 'about' }]
]
for (const [what, value] of kept) {
  t.test(`${what} is left as it is`, async t => {
    t.equal(redact(JSON.stringify(value)), JSON.stringify(value))
  })
}

t.test('a service that logs at trace writes no credential, whatever happens to the request', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logLevel: 'trace', logStream: sink, secrets: [plain] }))
  t.teardown(() => app.close())
  await app.register(errors, { logRefusals: false })
  app.addHook('onRequest', async request => {
    request.log.trace({ headers: request.headers, raw: request.raw.rawHeaders }, `got ${String(request.headers.authorization)}`)
  })
  app.get('/fine', async request => { request.log.debug({ req: request }, plain); return {} })
  app.get('/fault', async request => {
    throw Object.assign(new Error(`refused ${String(request.headers.authorization)} and ${String(request.headers['x-api-key'])}`), { config: { headers: request.headers } })
  })
  app.get('/string', async request => { throw String(request.headers['x-api-key']) })
  const headers = { authorization: `Bearer ${jwt}`, 'x-api-key': plain, cookie }
  for (const url of ['/fine', '/fault', '/string', '/nowhere', '/%zz']) {
    await app.inject({ url: `${url}?key=${plain}&token=${jwt}`, headers })
  }
  t.equal(sink.lines().filter(line => line.msg === 'request').length, 5)
  t.match(sink.text(), /"level":10/)
  t.match(sink.text(), /refused/)
  for (const part of [plain, 's3cr3t', 'eyJ', 'c2lnbmF0dXJl', 'a-plain']) t.notOk(sink.text().includes(part), part)
})

t.test('one line tells of a request what an operator needs, without its query', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logStream: sink }))
  t.teardown(() => app.close())
  await app.register(errors, { logRefusals: false })
  app.get('/there', async () => ({}))
  await app.inject('/there?q=1')
  await app.inject('/nowhere?q=1#x')
  const [there, nowhere, ...more] = sink.lines()
  t.match(there, { level: 30, method: 'GET', path: '/there', statusCode: 200, ms: Number, ip: '127.0.0.1', reqId: /^[0-9a-f-]{36}$/ })
  t.match(nowhere, { level: 30, path: '/nowhere', statusCode: 404, code: 'MCP_ERR_NOT_FOUND' })
  t.strictSame(more, [])
})

t.test('a secret in a path is blotted out in whatever spelling it came', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logStream: sink }))
  t.teardown(() => app.close())
  await app.register(errors, { logRefusals: false })
  app.get('/claim/:code', async () => ({}))
  app.get('/a*', async () => ({}))
  const escaped = [...key].map(character => `%${character.charCodeAt(0).toString(16)}`).join('')
  for (const path of [key.replaceAll('_', '%5F'), escaped, jwt.replaceAll('.', '%2e')]) {
    await app.inject(`/claim/${path}`)
    t.equal(sink.lines().at(-1)?.path, '/claim/[redacted]')
  }
  await app.inject('/a%0Ab%25zz%2Fc')
  t.equal(sink.lines().at(-1)?.path, '/a%0Ab%25zz%2Fc')
})

for (const [what, url, path] of [
  ['a key behind the endpoint', '/mcp/a-legacy-key-of-no-form', '/mcp/…'],
  ['a key alone', '/a-legacy-key-of-no-form', '/…'],
  ['a key with slashes', '/mcp/b3V/yIGtleS/BvZi/BiYXNl', '/mcp/…'],
  ['an escaped key', '/mcp/%61-legacy-key-of-no-form', '/mcp/…'],
  ['a key in a path that cannot be decoded', '/mcp/a-legacy-key-of-no-form/%zz', '/mcp/…'],
  ['a short name', '/wp-login.php', '/wp-login.php'],
  ['what clients look for', '/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource'],
  ['what clients look for below the endpoint', '/mcp/.well-known/openid-configuration', '/mcp/.well-known/openid-configuration'],
  ['a key behind what clients look for', '/.well-known/oauth-protected-resource/a-legacy-key-of-no-form', '/.well-known/oauth-protected-resource/…'],
  ['a key below .well-known', '/.well-known/a-legacy-key-of-no-form', '/…']
] as const) {
  t.test(`of a path that no route has, ${what} is logged as ${path}`, async t => {
    const sink = logSink()
    const app = Fastify(serverOptions({ logStream: sink }))
    t.teardown(() => app.close())
    await app.register(errors, { logRefusals: false })
    app.get('/mcp', async () => ({}))
    await app.inject(url)
    t.equal(sink.lines().at(-1)?.path, path)
    t.notMatch(sink.text(), /legacy|yIGtleS/)
  })
}

t.test('a fault adds a line with the error, under the id that the caller was told', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logStream: sink }))
  t.teardown(() => app.close())
  await app.register(errors, { logRefusals: false })
  app.get('/', async () => { throw new Error('inside', { cause: new TypeError('deeper') }) })
  const { requestId } = (await app.inject({ url: '/', headers: { 'request-id': 'forged', 'x-request-id': 'forged' } })).json()
  const [fault, request] = sink.lines()
  t.match(fault, { level: 50, reqId: requestId, err: { type: 'Error', message: 'inside', stack: /request-log\.test/, cause: { type: 'TypeError', message: 'deeper' } } })
  t.match(request, { reqId: requestId, statusCode: 500, code: 'MCP_ERR_INTERNAL' })
  t.not(requestId, 'forged')
})

t.test('at silent nothing is written', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logLevel: 'silent', logStream: sink }))
  t.teardown(() => app.close())
  await app.register(errors)
  app.get('/', async () => { throw new Error('x') })
  t.equal((await app.inject('/')).statusCode, 500)
  t.equal(sink.text(), '')
})

const trap = (): never => { throw new Error('trapped') }
const odd: Array<[string, unknown, object]> = [
  ['a string', 'x', { type: 'string', message: 'x' }],
  ['null', null, { type: 'null', message: 'null' }],
  ['undefined', undefined, { type: 'undefined', message: 'undefined' }],
  ['a symbol', Symbol('x'), { type: 'symbol', message: 'Symbol(x)' }],
  ['a proxy', new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap }), { type: 'Object', message: '' }],
  ['an object', { message: 5, code: {}, secret: 'x' }, { type: 'Object', message: '' }],
  ['an error with more on it', Object.assign(new TypeError('m'), { code: 'E', headers: { a: 1 }, stack: 's' }), { type: 'TypeError', message: 'm', stack: 's', code: 'E' }]
]
for (const [what, error, expected] of odd) {
  t.test(`${what} can be logged as an error`, async t => {
    t.strictSame(loggable(error), expected)
    t.strictSame(loggable(loggable(error)), expected)
  })
}

t.test('causes end after three, messages after 8 KiB', async t => {
  const error = new Error('x'.repeat(10_000))
  error.cause = error
  const out = loggable(error)
  t.equal(out.message.length, 8193)
  t.ok(out.cause?.cause?.cause)
  t.notOk(out.cause?.cause?.cause?.cause)
})
