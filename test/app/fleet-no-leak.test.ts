/** A fleet of real processes leaves no keys in Redis, and no sockets or memory. */
import t from 'tap'
import { caller, type FleetProcess, fleetProcesses, nth, statusAt, textOf } from '../support/fleet-processes.js'
import { ask as askRedis, redisServer, withoutRedis } from '../support/redis.js'
import { callOf, rpc } from '../support/service.js'
import { ask, openSessionAt } from '../support/session.js'
import { until } from '../support/until.js'

const env = {
  RATE_LIMIT_MAX: '1000',
  RATE_LIMIT_WINDOW_MS: '2000',
  PREAUTH_RATE_LIMIT_WINDOW_MS: '2000',
  PREAUTH_KNOWN_TTL_MS: '2000',
  SESSION_IDLE_MS: '2000',
  SESSION_LIFETIME_MS: '4000',
  SESSION_MAX: '100000',
  SESSION_MAX_PER_CALLER: '1000'
}
/** Much smaller than a real fleet, but enough to show a leak. */
const [sessions, buckets, parallel] = [60, 400, 20]
/** More than the number of permanent keys. */
const base = 12

const bounds = { skip: withoutRedis, timeout: 240_000 }

t.test('I10: sessions, limits and addresses leave no key, socket or memory', bounds, async t => {
  const redis = await redisServer(t)
  const fleet = await fleetProcesses(t, redis.url, 2, env)
  const keys = async (): Promise<number> => Number(/:(\d+)/.exec(await askRedis(redis.port, 'DBSIZE'))?.[1])
  const sockets = async (): Promise<number> =>
    (await askRedis(redis.port, 'CLIENT LIST')).split('name=fastify-mcp-auth').length - 1

  let [made, most] = [0, 0]
  const inParallel = async (count: number, work: (n: number, one: FleetProcess) => Promise<void>): Promise<void> => {
    let next = 0
    await Promise.all(Array.from({ length: parallel }, async () => {
      while (next < count) {
        const n = next++
        made += 1
        await work(made, nth(fleet, n))
        if (n % 50 === 0) most = Math.max(most, await keys())
      }
    }))
  }
  const round = async (): Promise<void> => {
    await inParallel(sessions, async (n, one) => {
      const session = await openSessionAt(one.at, { credential: caller(`session-${n}`) })
      await ask(nth(fleet, n).at, callOf('whoami'), session)
      // Half of the sessions are never deleted.
      if (n % 2 === 0) await fetch(`${one.at}/mcp`, { method: 'DELETE', headers: session })
    })
    await inParallel(buckets, async (n, one) => { await ask(one.at, rpc('ping'), caller(`caller-${n}`)) })
    await inParallel(buckets / 10, async (n, one) => {
      await statusAt(one, { 'x-api-key': `wrong-${n}`, 'x-forwarded-for': `192.0.2.${n % 250}` })
    })
  }
  const heap = async (): Promise<number> => {
    const texts = await Promise.all(fleet.map(async one => await textOf(one, 'heap', {}, caller('watcher'))))
    return texts.reduce((sum, text) => sum + Number(/"text":"([\d.]+)"/.exec(text)?.[1]), 0)
  }

  // The first round creates everything that is permanent.
  await round()
  await until(async () => await keys() <= base)
  const before = await heap()
  await round()
  await round()
  t.ok(most > 5 * base, `${most} keys at most`)
  await until(async () => await keys() <= base)
  t.equal(await sockets(), 2 * fleet.length)
  await until(async () => await heap() < before + 8)
})
