/** The log contains no credential and no part of one, at any level. */
import Fastify from 'fastify'
import t from 'tap'
import errors from '../../../plugins/errors.js'
import { serverOptions } from '../../../src/http/server-options.js'
import { logSink } from '../../support/log-sink.js'

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl-_x'
const key = 'mcp_ab12cd34_Zm9vYmFyYmF6cXV4_1f2e3d'
const plain = 'a-plain-old-key'
const cookie = 'sid=s3cr3t-session'

t.test('a trace log contains no credential', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logLevel: 'trace', logStream: sink, secrets: [plain] }))
  t.teardown(() => app.close())
  await app.register(errors, { logRequests: true })
  app.addHook('onRequest', async request => {
    request.log.trace(
      { headers: request.headers, raw: request.raw.rawHeaders },
      `got ${String(request.headers.authorization)}`
    )
  })
  app.get('/fine', async request => { request.log.debug({ req: request }, plain); return {} })
  app.get('/fault', async request => {
    throw Object.assign(
      new Error(
        `refused ${String(request.headers.authorization)} and ${String(request.headers['x-api-key'])}`
      ),
      { config: { headers: request.headers } }
    )
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

t.test('the log line of a request has its facts without the query', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logStream: sink }))
  t.teardown(() => app.close())
  await app.register(errors, { logRequests: true })
  app.get('/there', async () => ({}))
  await app.inject('/there?q=1')
  await app.inject('/nowhere?q=1#x')
  const [there, nowhere, ...more] = sink.lines()
  t.match(there, {
    level: 30,
    method: 'GET',
    path: '/there',
    statusCode: 200,
    ms: Number,
    ip: '127.0.0.1',
    reqId: /^[0-9a-f-]{36}$/
  })
  t.match(nowhere, { level: 30, path: '/nowhere', statusCode: 404, code: 'MCP_ERR_NOT_FOUND' })
  t.strictSame(more, [])
})

t.test('an encoded secret in a path is redacted', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logStream: sink }))
  t.teardown(() => app.close())
  await app.register(errors, { logRequests: true })
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
  ['a path that clients probe', '/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource'],
  [
    'a path that clients probe below the endpoint',
    '/mcp/.well-known/openid-configuration',
    '/mcp/.well-known/openid-configuration'
  ],
  [
    'a key after a path that clients probe',
    '/.well-known/oauth-protected-resource/a-legacy-key-of-no-form',
    '/.well-known/oauth-protected-resource/…'
  ],
  ['a key below .well-known', '/.well-known/a-legacy-key-of-no-form', '/…']
] as const) {
  t.test(`in an unknown path, ${what} is logged as ${path}`, async t => {
    const sink = logSink()
    const app = Fastify(serverOptions({ logStream: sink }))
    t.teardown(() => app.close())
    await app.register(errors, { logRequests: true })
    app.get('/mcp', async () => ({}))
    await app.inject(url)
    t.equal(sink.lines().at(-1)?.path, path)
    t.notMatch(sink.text(), /legacy|yIGtleS/)
  })
}

t.test('the log line of a fault has the error and the request id', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logStream: sink }))
  t.teardown(() => app.close())
  await app.register(errors, { logRequests: true })
  app.get('/', async () => { throw new Error('inside', { cause: new TypeError('deeper') }) })
  const { requestId } = (
    await app.inject({ url: '/', headers: { 'request-id': 'forged', 'x-request-id': 'forged' } })
  ).json()
  const [fault, ...more] = sink.lines()
  t.strictSame(more, [], 'no other line')
  t.match(fault, {
    level: 50,
    msg: 'request',
    reqId: requestId,
    statusCode: 500,
    code: 'MCP_ERR_INTERNAL',
    err: {
      type: 'Error',
      message: 'inside',
      stack: /request-log\.test/,
      cause: { type: 'TypeError', message: 'deeper' }
    }
  })
  t.not(requestId, 'forged')
})

t.test('LOG_LEVEL=silent writes nothing', async t => {
  const sink = logSink()
  const app = Fastify(serverOptions({ logLevel: 'silent', logStream: sink }))
  t.teardown(() => app.close())
  await app.register(errors)
  app.get('/', async () => { throw new Error('x') })
  t.equal((await app.inject('/')).statusCode, 500)
  t.equal(sink.text(), '')
})
