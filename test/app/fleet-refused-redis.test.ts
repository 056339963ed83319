/** With an unusable Redis, `start` and `doctor` name the problem and the fix. */
import { join } from 'node:path'
import t from 'tap'
import { examineRedis } from '../../src/doctor/redis.js'
import { Authority } from '../support/certificates.js'
import { key, start, viaTsx } from '../support/process.js'
import { freePort } from '../support/ports.js'
import { ask, redisServer, says, withoutRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { secretOfTests } from '../support/witness.js'

/** Longer than a busy machine needs. */
const patientMs = 60_000
const settings = {
  API_KEYS: key,
  JWT_SECRET: secretOfTests('a-secret-of-the-fleet-tests-with-32-bytes'),
  PORT: '0',
  REDIS_TIMEOUT_MS: String(patientMs)
}

t.test('an unusable Redis', { skip: withoutRedis, timeout: 120_000 }, async t => {
  const redis = await redisServer(t)
  const replica = await redisServer(t, ['--replicaof', '127.0.0.1', String(redis.port)])
  const secret = secretOfTests('password-of-redis-in-the-doctor-tests')
  const locked = await redisServer(t, ['--requirepass', secret])
  await ask(redis.port, 'ACL SETUSER low on >low +ping +info +hello +client')
  await says(replica.port, 'INFO replication', /master_link_status:up/)

  t.test('doctor names the problem and the fix without revealing the URL', async t => {
    const wrong = secretOfTests('wrong-password-in-the-doctor-tests')
    const host = `127.0.0.1:${redis.port}`
    const cases = [
      [replica.url, /replica \(READONLY\)/, /primary.*redis\+sentinel:/],
      [locked.url, /password \(NOAUTH\)/, /REDIS_URL: redis:\/\/user:password@/],
      [`redis://:${wrong}@127.0.0.1:${locked.port}`, /refuses .* \(WRONGPASS\)/, /percent-encoded/],
      [`redis://low:low@${host}`, /lacks permissions \(NOPERM\)/, /docs\/scaling\.md/],
      [`redis://${host}/99`, /no database .* \(DB_INDEX\)/, /REDIS_PREFIX/],
      [`redis+cluster://${host}`, /not a Cluster \(NO_CLUSTER\)/, /redis:\/\//],
      [`redis://127.0.0.1:${await freePort()}`, /cannot be reached \(ECONNREFUSED\)/, /check REDIS_URL/]
    ] as const
    await Promise.all(cases.map(async ([url, what, fix]) => {
      const findings = await examineRedis(url, 'mcp:', patientMs)
      t.match(findings, [{ id: 'redis', severity: 'error', what, fix }])
      t.equal(findings.length, 1)
      t.notMatch(JSON.stringify(findings), new RegExp(`${wrong}|${redis.port}`))
    }))
  })

  t.test('doctor warns of an eviction policy and of a writable replica', async t => {
    t.same(await examineRedis(redis.url, 'mcp:', patientMs), [])
    await ask(replica.port, 'CONFIG SET replica-read-only no')
    await ask(replica.port, 'CONFIG SET maxmemory-policy allkeys-lru')
    t.match(await examineRedis(replica.url, 'mcp:', patientMs), [{ id: 'redis-eviction' }, { id: 'redis-replica' }])
    await ask(replica.port, 'CONFIG SET replica-read-only yes')
  })

  t.test('a read-only replica stops or degrades the start, with advice', async t => {
    const env = { ...settings, REDIS_URL: replica.url }
    const directory = t.testdir({ waiting: {}, degraded: {} })
    const waiting = start(t, process.execPath, [...viaTsx, 'start'], { cwd: join(directory, 'waiting'), env })
    const degraded = start(t, process.execPath, [...viaTsx, 'start'], {
      cwd: join(directory, 'degraded'), env: { ...env, REDIS_START: 'degraded' }
    })
    t.equal((await fetch(`${await degraded.url}/ready`)).status, 200)
    await until(() => degraded.stdout().includes('Redis cannot be used'))
    const line = degraded.stdout().split('\n').find(text => text.includes('Redis cannot be used')) ?? '{}'
    t.match(JSON.parse(line), { reason: 'READONLY', problem: /read-only replica/, fix: /primary/ })
    t.equal((await waiting.ended).code, 1)
    t.match(waiting.stderr(), /Redis is a read-only replica \(READONLY\): set REDIS_URL to the primary/)
    t.notMatch(waiting.stderr(), /\n\s+at /, 'one sentence')
  })
})

t.test('rediss:// with a real TLS server', { skip: withoutRedis, timeout: 120_000 }, async t => {
  const authority = new Authority(t.testdir({}))
  const serve = async (...names: string[]): Promise<{ readonly plain: number, readonly url: string }> => {
    const { chain, key } = authority.files({ names: names.join(',') })
    const port = await freePort()
    const { port: plain } = await redisServer(t, [
      '--tls-port', String(port), '--tls-auth-clients', 'no',
      '--tls-cert-file', chain, '--tls-key-file', key, '--tls-ca-cert-file', authority.root
    ])
    return { plain, url: `rediss://127.0.0.1:${port}` }
  }
  const [good, other] = [await serve('IP:127.0.0.1'), await serve('DNS:redis.example')]
  const trusting = { ...settings, NODE_EXTRA_CA_CERTS: authority.root }

  t.test('rediss:// accepts a certificate of NODE_EXTRA_CA_CERTS', async t => {
    const { url } = start(t, process.execPath, [...viaTsx, 'start'], {
      cwd: t.testdir({}), env: { ...trusting, REDIS_URL: good.url }
    })
    t.match(await (await fetch(`${await url}/ready`)).json(), { status: 'ready' })
    // Two connections: one for commands, one for reading messages.
    t.equal((await ask(good.plain, 'CLIENT LIST')).match(/name=fastify-mcp-auth/g)?.length, 2)
  })

  t.test('rediss:// refuses an untrusted certificate and a port without TLS', async t => {
    const directory = t.testdir({})
    await Promise.all(([
      [settings, good.url, /certificate of Redis is not trusted \([A-Z_]+\).*NODE_EXTRA_CA_CERTS=/s],
      [trusting, other.url, /for another host \(ERR_TLS_CERT_ALTNAME_INVALID\).*host name/s],
      [trusting, `rediss://127.0.0.1:${good.plain}`, /REDIS_URL: .* \([A-Z]+\).*check (the host and port in )?REDIS_URL/s]
    ] as const).map(async ([env, url, expected]) => {
      const { ended, stdout, stderr } = start(t, process.execPath, [...viaTsx, 'doctor'], {
        cwd: directory, env: { ...env, REDIS_URL: url, TRUST_PROXY: 'loopback' }
      })
      t.equal((await ended).code, 2, stderr())
      t.match(stdout(), expected)
    }))
  })
})
