/** I12: output, answers and Redis commands of real processes contain no password, argument or credential. */
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { fleetProcess, type FleetProcess, fromElsewhere, readiness } from '../support/fleet-processes.js'
import { start, viaTsx } from '../support/process.js'
import { ask as askRedis, redisServer, says, withoutRedis } from '../support/redis.js'
import { adaKey, callOf, credentials, initialize, withKey, withToken } from '../support/service.js'
import { begin, type Headers } from '../support/session.js'
import { credentialOfTests, secretOfTests } from '../support/witness.js'
import { until } from '../support/until.js'

const admin = withToken('root', 'admin')
const env = { REDIS_TIMEOUT_MS: '60000', LOG_LEVEL: 'trace', PREAUTH_RATE_LIMIT_MAX: '1000', REDIS_START: 'degraded' }
/** Matches Redis commands, scripts and keys. */
const commands = /EVALSHA|EVAL |redis\.call|@user_script|mcp:\/mcp|\{bus\}|command.{0,4}args/i

/** The body of the answer. Throws on an unexpected status. */
async function textOf ({ at }: FleetProcess, message: object, headers: Headers): Promise<string> {
  const { response: { status }, ended } = await begin(at, message, { ...headers, ...fromElsewhere() })
  if (![200, 401, 429, 503].includes(status)) throw new Error(`status ${status}`)
  return await ended
}

/** Does everything that writes to Redis, with values that must not be revealed. Resolves to all answers. */
async function work (one: FleetProcess, subject: string, guess: string): Promise<string> {
  const texts = [
    await textOf(one, callOf('whoami'), withKey),
    await textOf(one, callOf('whoami'), { 'x-api-key': guess }),
    await textOf(one, callOf('generate-token', { userId: subject }), admin),
    await textOf(one, callOf('revoke-token', { id: subject }), admin),
    await textOf(one, initialize({ clientInfo: { name: subject, version: '1' } }), {
      ...withKey,
      accept: 'application/json, text/event-stream'
    })
  ]
  return texts.join('\n')
}

/** All output of a process. */
function said ({ stdout, stderr }: Pick<FleetProcess, 'stdout' | 'stderr'>): string {
  return stdout() + stderr()
}

/** A password, plain and URL-encoded. */
function password (text: string) {
  const plain = secretOfTests(text)
  const encoded = secretOfTests(encodeURIComponent(text))
  return { plain, encoded, isIn: (where: string) => where.includes(plain) || where.includes(encoded) }
}

/** Replaces each key in Redis with a list, so that every command on it fails. */
const makeLists = 'EVAL "for _, k in ipairs(redis.call(\'KEYS\', \'mcp:*\')) do ' +
  'if not string.find(k, \'{bus}:alive\') and ' +
  'not string.find(k, \'{bus}:epoch\') and not string.find(k, \'{bus}:beat\') then redis.call(\'DEL\', k) ' +
  'redis.call(\'RPUSH\', k, \'x\') end end" 0'

/** The error code, the commands that make Redis refuse commands, and the commands that end this. */
const refusals: ReadonlyArray<readonly [string, string, string]> = [
  ['WRONGTYPE', makeLists, 'FLUSHALL'],
  ['OOM', 'CONFIG SET maxmemory 1', 'CONFIG SET maxmemory 0'],
  ['READONLY', 'REPLICAOF 127.0.0.1 1', 'REPLICAOF NO ONE'],
  ['NOPERM', 'ACL SETUSER mcp -evalsha -eval -set -xadd', 'ACL SETUSER mcp +@all'],
  // On one connection, because a second one would be refused.
  ['WRONGPASS', 'ACL LOG RESET\r\nACL SETUSER mcp resetpass >another\r\nCLIENT KILL USER mcp', '']
]

t.test('I12: secrets of real processes', { skip: withoutRedis, timeout: 240_000 }, async t => {
  const right = password('p@ss:word/of#redis-in-the-tests')
  const wrong = password('wr@ng:word/of#redis-in-the-tests')
  const redis = await redisServer(t)
  // The test itself uses the default user.
  await askRedis(redis.port, `ACL SETUSER mcp on >${right.plain} ~* &* +@all`)
  const urlWith = (word: string): string => `redis://mcp:${word}@127.0.0.1:${redis.port}`

  t.test('a wrong password is in no output and no answer', async t => {
    const url = urlWith(wrong.encoded)
    const one = await fleetProcess(t, url, env)
    const answers = await work(one, 'guest', secretOfTests('guess-of-the-tests-of-a-wrong-password'))
    await until(() => said(one).includes('WRONGPASS'))
    const settings = { API_KEYS: adaKey, JWT_SECRET: credentials.JWT_SECRET, PORT: '0', REDIS_URL: url }
    const directory = t.testdir({ start: {}, doctor: {} })
    const texts = await Promise.all(['start', 'doctor'].map(async command => {
      const running = start(t, process.execPath, [...viaTsx, command], {
        cwd: join(directory, command),
        env: { ...settings, LOG_LEVEL: 'trace', REDIS_TIMEOUT_MS: '60000' }
      })
      t.not((await running.ended).code, 0)
      t.match(said(running), /refuses the user name or password \(WRONGPASS\)/)
      return said(running)
    }))
    for (const text of [answers, said(one), ...texts]) {
      t.notOk(wrong.isIn(text), 'no password')
      t.equal(commands.exec(text)?.[0], undefined, 'no command')
    }
  })

  t.test('a refused command puts no argument, key or password into the output or an answer', async t => {
    const one = await fleetProcess(t, urlWith(right.encoded), env)
    for (const [code, refuse, allow] of refusals) {
      await until(async () => await readiness(one) === 'ready')
      await work(one, 'before', 'a-guess-before')
      const guess = secretOfTests(`wrong-key-while-Redis-says-${code}`)
      await askRedis(redis.port, refuse)
      // Waits until the process has reconnected and was refused.
      if (code === 'WRONGPASS') await says(redis.port, 'ACL LOG', /\bauth\b[^]*\bmcp\b/)
      const answers = await work(one, `subject-of-${code}`, guess)
      t.match(answers, /MCP_ERR_UNAVAILABLE/, `${code}: calls that need Redis are refused`)
      for (const text of [answers, said(one)]) {
        t.equal(commands.exec(text)?.[0], undefined, `${code}: no command`)
        t.notMatch(text, new RegExp(`${guess}|${credentials.JWT_SECRET}`), `${code}: no credential`)
        t.notOk(right.isIn(text), `${code}: no password`)
      }
      await askRedis(redis.port, allow)
    }
    t.match(said(one), /"level":20/, 'debug lines are logged')
    t.notMatch(said(one), /"level":[56]0.*/, 'no fault is logged')
  })
})

t.test('Redis and its commands contain no key, token or link', { skip: withoutRedis, timeout: 240_000 }, async t => {
  const redis = await redisServer(t)
  const one = await fleetProcess(t, redis.url, {
    ...env, TOKEN_DELIVERY: 'link', PUBLIC_URL: 'https://mcp.example.com', ALLOWED_HOSTS: '127.0.0.1', API_KEYS_IN: 'redis'
  })
  let seen = ''
  const monitor = connect(redis.port, '127.0.0.1', () => { monitor.write('MONITOR\r\n') })
  monitor.setEncoding('utf8').on('data', chunk => { seen += String(chunk) })
  t.teardown(() => { monitor.destroy() })
  await until(() => seen.startsWith('+OK'))
  const guess = secretOfTests('guess-of-the-tests-of-monitor')
  const answers = await work(one, 'guest', guess)
  const minted = await textOf(one, callOf('generate-token', { userId: 'guest' }), admin)
  const [, code = ''] = /"link":"[^"]+\/([^"/]+)"/.exec(minted) ?? []
  const { pathname } = new URL(/"link":"([^"]+)"/.exec(minted)?.[1] ?? '')
  const claimed = await fetch(one.at + pathname, { method: 'POST', headers: fromElsewhere() })
  t.equal(claimed.status, 200)
  const { token } = await claimed.json() as { readonly token: string }
  credentialOfTests(token)
  t.match(await textOf(one, callOf('whoami'), { authorization: `Bearer ${token}` }), /guest/)
  await askRedis(redis.port, 'ECHO the-end')
  await until(() => seen.includes('the-end'))
  t.match(seen, /"evalsha"/i)
  const secrets = [
    adaKey, credentials.JWT_SECRET, guess, token, code, admin.authorization.slice(7),
    // The signature of the token.
    token.split('.').at(-1) ?? ''
  ]
  for (const secret of secrets) t.notOk(seen.includes(secret) || secret.length < 8, 'not among the commands')
  t.notMatch(seen, /eyJ/, 'no JWT at all')
  t.notOk(answers.includes(credentials.JWT_SECRET))
})
