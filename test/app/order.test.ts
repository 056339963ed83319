/** The order of the checks on a request: each one answers before any later one runs. */
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, callOf, post, rpc, service } from '../support/service.js'

const page = 'https://app.example.com'
const wrongKey = { 'x-api-key': 'a-key-that-was-never-given-out' }

/** All limits are 1, so that one request uses each of them up. */
async function narrow (t: Test, options: Parameters<typeof service>[1] = {}): Promise<FastifyInstance> {
  return await service(t, {
    ...options,
    env: {
      PREAUTH_RATE_LIMIT_MAX: '1',
      RATE_LIMIT_MAX: '1',
      BODY_LIMIT: '1kb',
      CORS_ORIGINS: page,
      PREAUTH_KNOWN_TTL_MS: '0',
      ...options.env
    }
  })
}

async function lockAddress (app: FastifyInstance): Promise<void> {
  await post(app, rpc('ping'), wrongKey)
}

async function spendBudget (app: FastifyInstance): Promise<void> {
  await post(app, rpc('ping'), { 'x-api-key': adaKey })
}

const foreignHost = { host: 'evil.example' }
const foreignOrigin = { origin: 'https://evil.example' }
const rightKey = { 'x-api-key': adaKey }
const huge = `{"a":"${'x'.repeat(2000)}"}`
const locked = true
const spent = true

interface Rung {
  readonly what: string
  readonly locked?: boolean
  readonly spent?: boolean
  readonly headers: Record<string, string>
  readonly body: string
  readonly status: number
  readonly code?: string
}

/** Each request fails the check of its row and every later check. */
const ladder: Rung[] = [
  {
    what: 'a foreign host',
    locked,
    spent,
    headers: { ...foreignHost, ...foreignOrigin, ...wrongKey },
    body: huge,
    status: 403,
    code: 'MCP_ERR_HOST_REFUSED'
  },
  {
    what: 'a foreign origin',
    locked,
    spent,
    headers: { ...foreignOrigin, ...wrongKey },
    body: huge,
    status: 403,
    code: 'MCP_ERR_ORIGIN_REFUSED'
  },
  {
    what: 'an address that is locked out',
    locked,
    spent,
    headers: wrongKey,
    body: huge,
    status: 429,
    code: 'MCP_ERR_RATE_LIMITED'
  },
  { what: 'a wrong key', spent, headers: wrongKey, body: huge, status: 401, code: 'MCP_ERR_UNAUTHENTICATED' },
  {
    what: 'a caller without budget',
    spent,
    headers: rightKey,
    body: huge,
    status: 429,
    code: 'MCP_ERR_RATE_LIMITED'
  },
  {
    what: 'a body over the limit',
    headers: rightKey,
    body: huge,
    status: 413,
    code: 'MCP_ERR_BODY_TOO_LARGE'
  },
  {
    what: 'a malformed body',
    headers: rightKey,
    body: '{"jsonrpc":',
    status: 400,
    code: 'MCP_ERR_MALFORMED_BODY'
  },
  {
    what: 'a body that is not a message',
    headers: rightKey,
    body: '{"id":1}',
    status: 400,
    code: 'MCP_ERR_INVALID_REQUEST'
  },
  { what: 'a valid request', headers: rightKey, body: JSON.stringify(rpc('ping')), status: 200 }
]

for (const rung of ladder) {
  t.test(`${rung.what} gets ${rung.status}, whatever else is wrong`, async t => {
    const app = await narrow(t)
    if (rung.spent === true) await spendBudget(app)
    if (rung.locked === true) await lockAddress(app)
    const { status, body } = await post(app, rung.body, rung.headers)
    t.equal(status, rung.status)
    t.equal(body.error?.data.code, rung.code)
  })
}

t.test('the RateLimit headers name the bucket that decided', async t => {
  const app = await narrow(t)
  await spendBudget(app)
  const own = await post(app, rpc('ping'), rightKey)
  t.match(own.headers['ratelimit-policy'], /^"user";q=1;/)
  await lockAddress(app)
  const address = await post(app, rpc('ping'), rightKey)
  t.match(address.headers['ratelimit-policy'], /^"address";q=1;/)
})

t.test('a refused origin charges no limit', async t => {
  const app = await narrow(t)
  for (let i = 0; i < 3; i++) await post(app, rpc('ping'), { ...foreignOrigin, ...wrongKey })
  t.equal((await post(app, rpc('ping'), rightKey)).status, 200)
})

for (const [what, headers, status] of [['401', wrongKey, 401], ['429', rightKey, 429]] as const) {
  t.test(`a ${what} keeps the CORS headers of an allowed origin`, async t => {
    const app = await narrow(t)
    if (status === 429) await spendBudget(app)
    const answer = await post(app, rpc('ping'), { ...headers, origin: page })
    t.equal(answer.status, status)
    t.equal(answer.headers['access-control-allow-origin'], page)
    t.match(answer.headers.vary, /Origin/)
    t.match(answer.headers['access-control-expose-headers'], /Retry-After/)
  })
}

t.test('a preflight passes a locked address', async t => {
  const app = await narrow(t)
  await lockAddress(app)
  const response = await app.inject({
    method: 'OPTIONS',
    url: '/mcp',
    headers: { origin: page, 'access-control-request-method': 'POST' }
  })
  t.equal(response.statusCode, 204)
})

t.test('health answers locked addresses, with any Host and Origin', async t => {
  const app = await narrow(t)
  await lockAddress(app)
  const response = await app.inject({ url: '/health', headers: { ...foreignHost, ...foreignOrigin, ...wrongKey } })
  t.equal(response.statusCode, 200)
  t.equal(response.json().status, 'ok')
  t.equal(response.headers['x-ratelimit-limit'], undefined)
})

t.test('a tool runs only for requests that passed every check', async t => {
  let runs = 0
  const count = defineTool({ name: 'count', handler: () => { runs += 1; return 'done' } })
  const app = await narrow(t, { tools: [count], env: { RATE_LIMIT_MAX: '2' } })
  const refused = [{ ...rightKey, ...foreignHost }, { ...rightKey, ...foreignOrigin }, {}]
  for (const headers of refused) await post(app, callOf('count'), headers)
  t.equal(runs, 0)
  await post(app, callOf('count'), rightKey)
  t.equal(runs, 0, 'the last refusal locked the address out')
})

t.test('a caller is served once every check passes', async t => {
  let runs = 0
  const count = defineTool({ name: 'count', handler: () => { runs += 1; return 'done' } })
  const app = await narrow(t, { tools: [count] })
  t.equal((await post(app, callOf('count'), { ...rightKey, origin: page })).body.result.content[0].text, 'done')
  t.equal((await post(app, callOf('count'), { ...rightKey, origin: page })).status, 429)
  t.equal(runs, 1)
})

t.test('each request logs one line with the code of its refusal', async t => {
  const sink = logSink()
  const app = await narrow(t, { logStream: sink })
  await post(app, rpc('ping'), foreignOrigin)
  await post(app, rpc('ping'), rightKey)
  await post(app, rpc('ping'), rightKey)
  await post(app, rpc('ping'), wrongKey)
  await post(app, rpc('ping'), wrongKey)
  const lines = sink.lines().filter(({ msg }) => msg === 'request')
  t.same(
    lines.map(({ code }) => code),
    [
      'MCP_ERR_ORIGIN_REFUSED',
      undefined,
      'MCP_ERR_RATE_LIMITED',
      'MCP_ERR_UNAUTHENTICATED',
      'MCP_ERR_RATE_LIMITED'
    ]
  )
})
