/** Invariants of a fleet of real processes with one Redis, under concurrent requests. */
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { take } from '../../src/redis/link/scripts.js'
import {
  caller,
  fleetProcess,
  type FleetProcess,
  fleetProcesses,
  fromElsewhere,
  nth,
  readiness,
  statusAt,
  textOf
} from '../support/fleet-processes.js'
import { ask as askRedis, redisServer, type RedisServer, withoutRedis } from '../support/redis.js'
import { modern, rpc } from '../support/service.js'
import { ask, begin, type Headers } from '../support/session.js'
import { credentialOfTests } from '../support/witness.js'
import { until } from '../support/until.js'

const max = 100

/** Sends `count` concurrent requests to all instances. Resolves to the count of each status. */
async function atOnce (
  count: number,
  fleet: readonly FleetProcess[],
  headers: () => Headers
): Promise<Record<number, number>> {
  const statuses = await Promise.all(
    Array.from({ length: count }, async (_, n) => (await ask(nth(fleet, n).at, rpc('ping'), headers())).status)
  )
  return Object.fromEntries([...new Set(statuses)].map(one => [one, statuses.filter(status => status === one).length]))
}

/** Returns a function that resolves to the commands that Redis received since its last call. */
async function monitor (t: Test, { port }: RedisServer): Promise<() => Promise<string>> {
  let seen = ''
  const socket = connect(port, '127.0.0.1', () => { socket.write('MONITOR\r\n') })
  socket.setEncoding('utf8').on('data', chunk => { seen += String(chunk) })
  t.teardown(() => { socket.destroy() })
  await until(() => seen.startsWith('+OK'))
  let marks = 0
  return async () => {
    marks += 1
    const mark = `mark-${marks}-of-the-test`
    await askRedis(port, `ECHO ${mark}`)
    await until(() => seen.includes(mark))
    const all = seen
    seen = ''
    return all
  }
}

/** Mints a token and claims it. `undefined` if either was refused. */
async function mintAndClaim (
  minting: FleetProcess,
  claiming: FleetProcess,
  user: string,
  by: Headers
): Promise<string | undefined> {
  const link = await minted(minting, user, by)
  if (link === undefined) return undefined
  const response = await claim(claiming, link)
  if (response.status !== 200) return undefined
  return credentialOfTests((await response.json() as { readonly token: string }).token)
}

/** The link to a new token. `undefined` if it was refused. */
async function minted (at: FleetProcess, user: string, by: Headers): Promise<string | undefined> {
  return /"link":"([^"]+)"/.exec(await textOf(at, 'generate-token', { userId: user }, by))?.[1]
}

/** Revokes a token. Repeats this until the revocation is shared. */
async function isRevoked (at: FleetProcess, args: Record<string, unknown>, by: Headers): Promise<void> {
  await until(async () => !(await textOf(at, 'revoke-token', args, by)).includes('isError":true'))
}

async function claim ({ at }: FleetProcess, link: string): Promise<Response> {
  return await fetch(at + new URL(link).pathname, { method: 'POST', headers: fromElsewhere() })
}

t.test('a fleet of processes', { skip: withoutRedis, timeout: 240_000 }, async t => {
  const redis = await redisServer(t)
  const env = {
    RATE_LIMIT_MAX: String(max),
    RATE_LIMIT_WINDOW_MS: '600000',
    PREAUTH_RATE_LIMIT_MAX: '5',
    PREAUTH_RATE_LIMIT_WINDOW_MS: '600000',
    TOKEN_DELIVERY: 'link',
    PUBLIC_URL: 'https://mcp.example.com',
    ALLOWED_HOSTS: 'localhost,127.0.0.1'
  }
  const fleet = await fleetProcesses(t, redis.url, 3, env)
  const [a, b, c] = fleet as [FleetProcess, FleetProcess, FleetProcess]

  t.test('I1: every limit is exact', async t => {
    const ada = caller('ada-of-i1')
    t.same(await atOnce(300, fleet, () => ada), { 200: max, 429: 200 })
    const elsewhere = fromElsewhere()
    t.same(await atOnce(60, fleet, () => ({ 'x-api-key': 'a-wrong-key', ...elsewhere })), { 401: 5, 429: 55 })
    const bob = caller('bob-of-i1')
    let done = 0
    for (let n = 0; n < 20; n++) if ((await textOf(nth(fleet, n), 'heavy', {}, bob)).includes('done')) done += 1
    t.equal(done, Math.floor(max / 7), 'a cost of 7')
    const eve = caller('eve-of-i1')
    const rare = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => await textOf(nth(fleet, n), 'rare', {}, eve))
    )
    t.equal(rare.filter(text => text.includes('done')).length, 3, 'the rate of a tool')
  })

  t.test('I2: an allowed request needs one round trip, a limited one none', async t => {
    const seen = await monitor(t, redis)
    const trips = async (): Promise<number> => (await seen()).split(take.sha).length - 1
    const ada = caller('ada-of-i2')
    const send = async (count: number, { at }: FleetProcess): Promise<void> => {
      for (let n = 0; n < count; n++) await ask(at, rpc('ping'), ada)
    }
    await send(max, a)
    t.equal(await trips(), max)
    await send(50, a)
    t.equal(await trips(), 0)
    await send(50, b)
    t.equal(await trips(), 1, 'another instance asks once')
  })

  t.test('I5: revocations apply everywhere despite failures of Redis and instances', async t => {
    const made = Array.from({ length: 30 }, (_, n) => caller('guest', { jti: `i5-${n}` }))
    for (const headers of made) t.equal(await statusAt(a, headers), 200)
    const root = caller('root-of-i5', { role: 'admin' })
    const revoke = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++) await textOf(nth(fleet, n), 'revoke-token', { id: `i5-${n}` }, root)
    }
    const areRefused = async (count: number, by: readonly FleetProcess[]): Promise<void> => {
      for (const one of by) {
        for (const headers of made.slice(0, count)) {
          await until(async () => await statusAt(one, { ...headers, ...fromElsewhere() }) === 401)
        }
      }
    }
    await revoke(0, 10)
    await areRefused(10, fleet)
    redis.freeze()
    await revoke(10, 15)
    redis.thaw()
    await revoke(15, 20)
    await redis.restart()
    await revoke(20, 30)
    await areRefused(30, fleet)
    await areRefused(30, [await fleetProcess(t, redis.url, env)])
  })

  t.test('I6: no token outlives the credential that minted it', async t => {
    const minter = caller('minter', { role: 'admin', jti: 'i6-minter' })
    const early = await until(async () => await mintAndClaim(a, b, 'before', minter))
    const minting = Array.from({ length: 15 }, async (_, n) =>
      await mintAndClaim(nth(fleet, n), nth(fleet, n + 1), `guest-${n}`, { ...minter, ...fromElsewhere() }))
    const root = caller('root-of-i6', { role: 'admin' })
    await isRevoked(c, { id: 'i6-minter', withMinted: true }, root)
    const tokens = [early, ...await Promise.all(minting)].filter(token => token !== undefined)
    t.equal(await mintAndClaim(b, a, 'late', { ...minter, ...fromElsewhere() }), undefined)
    for (const one of fleet) {
      for (const token of tokens) {
        const headers = (): Headers => ({ authorization: `Bearer ${token}`, ...fromElsewhere() })
        await until(async () => await statusAt(one, headers()) === 401)
      }
    }
  })

  t.test('I7: a link is claimed once', async t => {
    const root = caller('root-of-i7', { role: 'admin' })
    for (let round = 0; round < 3; round++) {
      const link = await until(async () => await minted(nth(fleet, round), 'guest', root))
      const claims = Array.from({ length: 20 }, async (_, n) => (await claim(nth(fleet, n), link)).status)
      if (round > 0) redis.freeze()
      const statuses = await Promise.all(claims)
      redis.thaw()
      let given = statuses.filter(status => status === 200).length
      t.ok(given <= 1, String(statuses))
      // A link that nobody received stays valid until Redis is available again.
      if (given === 0) given = await until(async () => (await claim(a, link)).status === 200) ? 1 : 0
      t.equal(given, 1)
      t.not((await claim(b, link)).status, 200)
    }
  })

  t.test('I9: changes reach other instances in order, and lost news is reported', async t => {
    const uris = Array.from({ length: 100 }, (_, n) => `count://${n}`)
    const notifications = { toolsListChanged: true, resourceSubscriptions: uris }
    const { headers, payload } = modern('subscriptions/listen', { notifications }, 'sub')
    const heard = await begin(b.at, payload, { ...caller('listener'), ...headers })
    await until(() => heard.messages().length === 1)
    const told = (): string[] => heard.messages().flatMap(({ params }) => params?.uri ?? [])
    for (const [n, uri] of uris.entries()) {
      if (n % 25 === 10) await askRedis(redis.port, 'CLIENT KILL TYPE normal SKIPME yes')
      t.match(await textOf(nth([a, c], n), 'change', { uri }, caller(`teller-${n}`)), 'told')
      await until(() => told().includes(uri))
    }
    t.same([...new Set(told())], uris)
    const before = heard.messages().length
    await redis.restart()
    const since = (): string[] => heard.messages().slice(before).map(({ method, params }) => params?.uri ?? method)
    await until(() => since().includes('notifications/tools/list_changed'))
    await until(() => uris.every(uri => since().includes(uri)))
  })

  t.test('I13: data of a later version does not affect instances', async t => {
    const state = 'mcp:/mcp:{bus}:state'
    const news = 'mcp:/mcp:{bus}:news'
    await askRedis(redis.port, `HSET ${state} later:1 '0|{"kind":"later"}' bad:1 nonsense bad:2 '0|{{{'`)
    await askRedis(redis.port, `XADD ${news} * x y`)
    await askRedis(redis.port, `XADD ${news} * t later m '{"kind":"later"}' f z`)
    await askRedis(redis.port, `XADD ${news} * t record m '{"kind":"later","id":7}' f z`)
    const guest = caller('guest-of-i13', { jti: 'i13' })
    for (const one of fleet) t.equal(await statusAt(one, guest), 200)
    const root = caller('root-of-i13', { role: 'admin' })
    await isRevoked(c, { id: 'i13' }, root)
    for (const one of fleet) await until(async () => await statusAt(one, { ...guest, ...fromElsewhere() }) === 401)
    t.match(await askRedis(redis.port, `HKEYS ${state}`), /later:1/)
  })

  t.test('I11: a busy process is not taken for a slow Redis', async t => {
    const lines = (): string[] => a.stdout().split('\n').filter(line => line.includes('Redis cannot be used'))
    await until(async () => await readiness(a) === 'ready')
    const before = lines().length
    for (let n = 0; n < 3; n++) {
      const calls = Array.from({ length: 10 }, async (_, i) => await statusAt(a, caller(`busy-${n}-${i}`)))
      const blocked = textOf(a, 'block', { ms: 2500 }, caller(`blocker-${n}`))
      t.same(new Set(await Promise.all(calls)), new Set([200]))
      t.match(await blocked, 'blocked')
    }
    t.equal(lines().length, before)
  })
})
