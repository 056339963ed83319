/** Real server processes with a Redis Cluster and with Sentinel, before and after a failover. */
import t, { type Test } from 'tap'
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
import { redisCluster, redisWithSentinel } from '../support/redis-topologies.js'
import { says, withoutRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const max = 25
const env = { RATE_LIMIT_MAX: String(max), RATE_LIMIT_WINDOW_MS: '600000' }

interface Topology {
  readonly url: string
  readonly kill: () => Promise<void>
  /** Resolves once another node is the primary. */
  readonly isPromoted: () => Promise<void>
}

const topologies: Readonly<Record<string, (t: Test) => Promise<Topology>>> = {
  Sentinel: async t => {
    const { url, primary, replica, isPromoted } = await redisWithSentinel(t)
    return {
      url,
      // A failover loses writes that were not replicated yet, and this test is not about those.
      kill: async () => {
        await says(replica.port, 'INFO replication', /master_link_status:up/)
        await primary.kill()
      },
      isPromoted
    }
  },
  'a Cluster of three': async t => {
    const { url, nodes, replica } = await redisCluster(t, 'mcp:/mcp:{bus}:news')
    return {
      url,
      kill: async () => { await nodes[0]?.kill() },
      isPromoted: async () => {
        await says(replica.port, 'INFO replication', /role:master/)
        await says(replica.port, 'CLUSTER INFO', /cluster_state:ok/)
      }
    }
  }
}

async function becomes (status: 'ready' | 'degraded', fleet: readonly FleetProcess[]): Promise<void> {
  for (const one of fleet) await until(async () => await readiness(one) === status)
}

async function isRefused (jti: string, fleet: readonly FleetProcess[]): Promise<void> {
  for (const one of fleet) {
    await until(async () => await statusAt(one, { ...caller('guest', { jti }), ...fromElsewhere() }) === 401)
  }
}

async function behaveAsOne (t: Test, fleet: readonly FleetProcess[], name: string): Promise<void> {
  for (const user of ['ada', 'bob', 'eve']) {
    const headers = caller(`${user} ${name}`)
    const calls = Array.from({ length: 60 }, async (_, n) => await statusAt(nth(fleet, n), headers))
    const statuses = await Promise.all(calls)
    t.equal(statuses.filter(status => status === 200).length, max, 'a limit is exact')
  }
  for (const [n, one] of fleet.entries()) {
    const jti = `${name} ${n}`
    const root = caller(`root ${jti}`, { role: 'admin' })
    t.equal(await statusAt(nth(fleet, n + 1), caller('guest', { jti })), 200)
    await until(async () => !(await textOf(one, 'revoke-token', { id: jti }, root)).includes('isError":true'))
    await isRefused(jti, fleet)
  }
}

t.test('processes with a Redis Cluster or Sentinel', { skip: withoutRedis, timeout: 240_000 }, async t => {
  for (const [what, open] of Object.entries(topologies)) {
    t.test(`I15: processes with ${what} behave as one, also after a failover`, async t => {
      const { url, kill, isPromoted } = await open(t)
      const fleet = await fleetProcesses(t, url, 2, env)
      await behaveAsOne(t, fleet, 'before')
      await kill()
      await becomes('degraded', fleet)
      await isPromoted()
      await becomes('ready', fleet)
      await behaveAsOne(t, fleet, 'after')
      const late = await fleetProcess(t, url, env)
      for (const jti of ['before 0', 'before 1', 'after 0', 'after 1']) await isRefused(jti, [late])
    })
  }
})
