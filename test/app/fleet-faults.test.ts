/** Answers of a fleet of real processes during and after Redis failures. */
import t from 'tap'
import {
  caller,
  fromElsewhere,
  nth,
  readiness,
  type RelayedProcess,
  relayedProcesses,
  statusAt,
  textOf
} from '../support/fleet-processes.js'
import { ask as askRedis, redisServer, type RedisServer, withoutRedis } from '../support/redis.js'
import { modern } from '../support/service.js'
import { begin, type Headers } from '../support/session.js'
import { say } from '../support/terminal.js'
import { secret } from '../support/tokens.js'
import { until } from '../support/until.js'

const max = 10
const env = {
  RATE_LIMIT_MAX: String(max),
  RATE_LIMIT_WINDOW_MS: '600000',
  PREAUTH_RATE_LIMIT_MAX: '3',
  PREAUTH_RATE_LIMIT_WINDOW_MS: '600000',
  REDIS_TIMEOUT_MS: '8000'
}

/**
 * Sends `calls` calls to the instances in turn. Returns how many got 200; throws unless the others got 429.
 */
async function letIn (fleet: readonly RelayedProcess[], calls: number, headers: Headers): Promise<number> {
  let count = 0
  for (let n = 0; n < calls; n++) {
    const status = await statusAt(nth(fleet, n), headers)
    if (status === 200) count += 1
    else if (status !== 429) throw new Error(`a call got ${status}`)
  }
  return count
}

async function isReady (one: RelayedProcess): Promise<boolean> {
  return await readiness(one) === 'ready'
}

interface Fault {
  readonly begin: (redis: RedisServer, fleet: readonly RelayedProcess[]) => unknown
  readonly end: (redis: RedisServer, fleet: readonly RelayedProcess[]) => unknown
}

const faults: Readonly<Record<string, Fault>> = {
  killed: { begin: async redis => { await redis.kill() }, end: async redis => { await redis.restart() } },
  frozen: { begin: redis => { redis.freeze() }, end: redis => { redis.thaw() } },
  'behind a silent network': {
    begin: (_redis, fleet) => { for (const { relay } of fleet) relay.isSilent = true },
    end: (_redis, fleet) => {
      for (const { relay } of fleet) {
        relay.isSilent = false
        relay.cut()
      }
    }
  },
  'slower than the deadline': {
    begin: (_redis, fleet) => { for (const { relay } of fleet) relay.delayMs = 8500 },
    end: (_redis, fleet) => {
      for (const { relay } of fleet) {
        relay.delayMs = 0
        relay.cut()
      }
    }
  },
  'out of memory': {
    begin: async ({ port }) => await askRedis(port, 'CONFIG SET maxmemory 1'),
    end: async ({ port }) => await askRedis(port, 'CONFIG SET maxmemory 0')
  },
  'read-only, as after a failover': {
    begin: async ({ port }) => await askRedis(port, 'REPLICAOF 127.0.0.1 1'),
    end: async ({ port }) => await askRedis(port, 'REPLICAOF NO ONE')
  }
}

t.test('a fleet of processes while Redis fails', { skip: withoutRedis, timeout: 240_000 }, async t => {
  const redis = await redisServer(t)
  const fleet = await relayedProcesses(t, redis, 2, env)
  const [a, b] = fleet as [RelayedProcess, RelayedProcess]

  for (const [what, { begin, end }] of Object.entries(faults)) {
    t.test(`I3 and I4: with Redis ${what}, calls are answered and limits keep their bounds`, async t => {
      await until(async () => await isReady(a) && await isReady(b))
      const [spent, half] = [caller(`spent ${what}`), caller(`half ${what}`)]
      const [fresh, later] = [caller(`fresh ${what}`), caller(`later ${what}`)]
      t.equal(await letIn(fleet, max + 4, spent), max)
      t.equal(await letIn(fleet, 4, half), 4)

      await begin(redis, fleet)
      // `letIn` checks that each call is answered, and without a 5xx.
      const more = await letIn(fleet, 40, half)
      t.ok(more >= max - 4 && more <= 2 * (max - 3), `${more} more`)
      t.equal(await letIn(fleet, 10, spent), 0, 'a used-up limit stays used up')
      const first = await letIn(fleet, 40, fresh)
      t.ok(first >= max && first <= 2 * max, `${first} of a fresh limit`)

      await end(redis, fleet)
      await until(async () => await isReady(a) && await isReady(b))
      const at = await Promise.all(Array.from({ length: 40 }, async (_, n) => await statusAt(nth(fleet, n), later)))
      t.equal(at.filter(status => status === 200).length, max, 'exact again')
    })
  }

  t.test('limits are exact with a Redis slower than usual', async t => {
    for (const { relay } of fleet) relay.delayMs = 40
    const ada = caller('ada of the slow one')
    const all = await Promise.all(Array.from({ length: 40 }, async (_, n) => await statusAt(nth(fleet, n), ada)))
    t.equal(all.filter(status => status === 200).length, max)
    for (const { relay } of fleet) relay.delayMs = 0
  })

  t.test('a change during an outage reaches other instances afterwards', async t => {
    await until(async () => await isReady(a) && await isReady(b))
    const { headers, payload } = modern('subscriptions/listen', {
      notifications: { resourceSubscriptions: ['count://1', 'count://2'] }
    })
    const heard = await begin(b.at, payload, { ...caller('listener'), ...headers })
    await until(() => heard.messages().length === 1)
    a.relay.isSilent = true
    await until(async () => !await isReady(a))
    for (const uri of ['count://1', 'count://2', 'count://1']) {
      t.match(await textOf(a, 'change', { uri }, caller('teller')), 'told')
    }
    t.equal(heard.messages().length, 1)
    a.relay.isSilent = false
    a.relay.cut()
    const uris = (): unknown[] => heard.messages().slice(1).map(({ params }) => params.uri)
    await until(() => uris().length === 2)
    t.same(uris(), ['count://2', 'count://1'], 'each once, in the order of the last changes')
  })

  t.test('a reconnected instance applies missed revocations, but no outdated unlocks', async t => {
    await until(async () => await isReady(a) && await isReady(b))
    const guest = caller('guest', { jti: 'revoked-while-cut-off' })
    const root = caller('root', { role: 'admin' })
    const [again, once] = ['198.51.100.7', '198.51.100.8']
    const guessFrom = async (one: RelayedProcess, address: string): Promise<number> =>
      await statusAt(one, { 'x-api-key': 'a-wrong-key', 'x-forwarded-for': address })
    const lock = async (one: RelayedProcess, address: string): Promise<void> => {
      await until(async () => await guessFrom(one, address) === 429)
    }
    for (const one of fleet) for (const address of [again, once]) await lock(one, address)

    b.relay.isSilent = true
    await until(async () => !await isReady(b))
    t.equal(await statusAt(b, guest), 200)
    t.notMatch(await textOf(a, 'revoke-token', { id: 'revoked-while-cut-off' }, root), /isError":true/)
    for (const address of [again, once]) {
      const { code } = await say(['unlock', address], t.testdir({}), { REDIS_URL: redis.url, JWT_SECRET: secret })
      t.equal(code, 0)
    }
    await until(async () => await guessFrom(a, again) === 401)
    await lock(a, again)
    t.equal(await statusAt(a, { ...guest, ...fromElsewhere() }), 401)
    t.equal(await statusAt(b, { ...guest, ...fromElsewhere() }), 200, 'it has not received the revocation')

    b.relay.isSilent = false
    b.relay.cut()
    await until(async () => await statusAt(b, { ...guest, ...fromElsewhere() }) === 401)
    await until(async () => await guessFrom(b, once) === 401)
    t.equal(await guessFrom(b, again), 429, 'failures after the unlock still count')
  })
})
