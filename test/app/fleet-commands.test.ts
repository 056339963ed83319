/** Commands affect every server that shares a Redis. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/app.js'
import { formatKeyFile } from '../../src/api-keys/record.js'
import { newKey } from '../support/keys.js'
import { freePort } from '../support/ports.js'
import { ask, redisServer, withoutRedis } from '../support/redis.js'
import { callOf, post, withToken } from '../support/service.js'
import { say } from '../support/terminal.js'
import { forgeClaims, inSeconds, secret } from '../support/tokens.js'
import { until } from '../support/until.js'

async function serverOf (t: Test, env: Record<string, string>): Promise<FastifyInstance> {
  const app = await buildApp({
    env: {
      ...env,
      REDIS_TIMEOUT_MS: '60000',
      LOG_LEVEL: 'silent',
      PREAUTH_RATE_LIMIT_MAX: '300',
      RATE_LIMIT_MAX: '100000'
    }
  })
  t.teardown(() => app.close())
  return app
}

/** Polls until the status is `expected`. A change takes effect within a second. */
async function becomes (expected: number, status: () => Promise<number>): Promise<number> {
  let last = await status()
  for (let tries = 0; last !== expected && tries < 6000; tries++) {
    await new Promise(resolve => setTimeout(resolve, expected === 429 ? 0 : 20))
    last = await status()
  }
  return last
}

t.test('commands on a fleet', { skip: withoutRedis }, async (t) => {
  const redis = await redisServer(t)
  const env = { REDIS_URL: redis.url, JWT_SECRET: secret, API_KEYS_IN: 'redis', TRUST_PROXY: 'loopback' }
  const [a, b] = [await serverOf(t, env), await serverOf(t, env)]
  const directory = t.testdir({})
  const run = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    await say(args, directory, env)
  const statusAt = async (app: FastifyInstance, headers: Record<string, string>): Promise<number> =>
    (await post(app, callOf('whoami'), headers)).status

  t.test('keys create and keys revoke take effect on every server', async (t) => {
    const { code, stdout, stderr } = await run('keys', 'create', '--name', 'laptop', '--owner', 'ada')
    t.equal(code, 0)
    t.match(stderr, /Redis \(REDIS_URL\) stores only a digest/)
    const key = { 'x-api-key': stdout.trim() }
    t.same([await becomes(200, () => statusAt(a, key)), await becomes(200, () => statusAt(b, key))], [200, 200])
    const [{ id }] = JSON.parse((await run('keys', 'list', '--json')).stdout)
    t.equal((await run('keys', 'revoke', id)).code, 0)
    t.same([await becomes(401, () => statusAt(a, key)), await becomes(401, () => statusAt(b, key))], [401, 401])
  })

  t.test('twenty concurrent keys create calls are all stored', async (t) => {
    const before = JSON.parse((await run('keys', 'list', '--json')).stdout).length
    const codes = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => (await run('keys', 'create', '--name', `n${n}`)).code)
    )
    t.same(new Set(codes), new Set([0]))
    t.equal(JSON.parse((await run('keys', 'list', '--json')).stdout).length, before + 20)
  })

  t.test('keys import --from-file imports the keys of a file, once', async (t) => {
    const { record, key } = newKey({ name: 'from a file' })
    writeFileSync(join(directory, 'keys.json'), formatKeyFile([record]))
    t.equal((await run('keys', 'import', '--from-file', join(directory, 'keys.json'))).code, 0)
    t.equal(await becomes(200, () => statusAt(b, { 'x-api-key': key })), 200)
    t.match(await run('keys', 'import', '--from-file', join(directory, 'keys.json')), {
      code: 1,
      stderr: /already exists/
    })
  })

  t.test('keys stay valid while Redis is down, and are restored to an empty Redis', async (t) => {
    const { stdout } = await run('keys', 'create', '--name', 'stays')
    const key = { 'x-api-key': stdout.trim() }
    t.equal(await becomes(200, () => statusAt(a, key)), 200)
    await redis.kill()
    t.equal(await statusAt(a, key), 200)
    t.match(await run('keys', 'create', '--name', 'lost'), { code: 1, stderr: /Redis cannot be reached .* REDIS_URL/ })
    await redis.restart()
    await until(async () => (await ask(redis.port, 'HGET mcp:/mcp:{bus}:keys text')).includes('stays'))
    t.match((await run('keys', 'list')).stdout, 'stays')
  })

  t.test('tokens revoke ends a token on every server without a state directory', async (t) => {
    const token = { authorization: `Bearer ${forgeClaims({ sub: 'ada', jti: 'of-the-command', exp: inSeconds(600) })}` }
    t.same([await statusAt(a, token), await statusAt(b, token)], [200, 200])
    const { code, stderr } = await run('tokens', 'revoke', 'of-the-command', '--force')
    t.equal(code, 0)
    t.match(stderr, 'Done on the servers that share REDIS_URL.')
    t.same([await becomes(401, () => statusAt(a, token)), await becomes(401, () => statusAt(b, token))], [401, 401])
  })

  t.test('token records the new token for every server', async (t) => {
    const { code, stdout, stderr } = await run('token', '--user', 'bob')
    t.same({ code, stderr }, { code: 0, stderr: '' })
    t.match(stdout, /^eyJ/)
    const list = async (): Promise<string> => (await post(b, callOf('list-tokens'), withToken('root', 'admin'))).text
    await until(async () => (await list()).includes('bob'))
  })

  t.test('unlock clears an address on every server', async (t) => {
    const from = async (app: FastifyInstance): Promise<number> =>
      (
        await app.inject({
          method: 'DELETE',
          url: '/mcp',
          headers: { 'x-api-key': 'wrong' },
          remoteAddress: '192.0.2.9'
        })
      ).statusCode
    for (const app of [a, b]) t.equal(await becomes(429, () => from(app)), 429)
    t.equal((await run('unlock', '192.0.2.9')).code, 0)
    t.equal(await becomes(401, () => from(b)), 401)
  })

  t.test('a command reports that Redis cannot be reached', async (t) => {
    const away = { ...env, REDIS_URL: `redis://127.0.0.1:${await freePort()}` }
    t.match(await say(['tokens', 'list'], directory, away), {
      code: 1,
      stderr: /^Redis cannot be reached \(ECONNREFUSED\): check REDIS_URL/
    })
  })
})
