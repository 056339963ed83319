/** A Redis Cluster, and a primary with a replica under Sentinel, as real processes on loopback. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from './ports.js'
import { ask, redisServer, type RedisServer, says } from './redis.js'

export interface RedisCluster {
  readonly url: string
  /** The primaries. The first has a replica and holds the shared keys of a fleet. */
  readonly nodes: readonly RedisServer[]
  readonly replica: RedisServer
}

/** The slots of a Cluster in three ranges. */
const parts = ['0 5460', '5461 10922', '10923 16383'] as const

/** `shared` is a key in a slot of the first node. */
export async function redisCluster (t: Test, shared: string): Promise<RedisCluster> {
  const busPorts = [await freePort(), await freePort(), await freePort(), await freePort()] as const
  const options = (busPort: number): string[] => [
    '--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '1000',
    '--cluster-replica-validity-factor', '0'
  ]
  const [replica, ...nodes] = await Promise.all(busPorts.map(async port => await redisServer(t, options(port))))
  const [first] = nodes
  if (first === undefined || replica === undefined) throw new Error('no node')
  const slot = Number(/\d+/.exec(await ask(first.port, `CLUSTER KEYSLOT ${shared}`))?.[0])
  const mine = parts.findIndex(part => slot <= Number(part.split(' ')[1]))
  for (const [n, node] of nodes.entries()) {
    await ask(node.port, `CLUSTER ADDSLOTSRANGE ${parts[(n + mine) % 3]}`)
    // Two nodes with the same epoch would have to agree first.
    await ask(node.port, `CLUSTER SET-CONFIG-EPOCH ${n + 1}`)
  }
  for (const [n, { port }] of [replica, ...nodes].entries()) {
    if (port !== first.port) await ask(first.port, `CLUSTER MEET 127.0.0.1 ${port} ${busPorts[n]}`)
  }
  for (const { port } of [replica, ...nodes]) {
    await says(port, 'CLUSTER INFO', /cluster_state:ok[^]*cluster_known_nodes:4/)
  }
  const [, id] = /^([0-9a-f]{40})/m.exec((await ask(first.port, 'CLUSTER MYID')).replace(/^\$40\s+/, '')) ?? []
  await says(replica.port, `CLUSTER REPLICATE ${id}`, /OK/)
  await says(replica.port, 'INFO replication', /master_link_status:up/)
  // Nodes vote only for a replica that they know.
  for (const { port } of nodes) await says(port, 'CLUSTER NODES', new RegExp(`slave ${id}`))
  return { url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, nodes, replica }
}

export interface RedisWithSentinel {
  readonly url: string
  readonly primary: RedisServer
  readonly replica: RedisServer
  readonly sentinelPort: number
  /** Resolves when Sentinel reports the replica as the primary. */
  readonly isPromoted: () => Promise<void>
}

export async function redisWithSentinel (t: Test): Promise<RedisWithSentinel> {
  const directory = mkdtempSync(join(tmpdir(), 'sentinel-'))
  const fast = ['--repl-diskless-sync-delay', '0']
  const primary = await redisServer(t, fast)
  const replica = await redisServer(t, [...fast, '--replicaof', '127.0.0.1', String(primary.port)])
  await says(replica.port, 'INFO replication', /master_link_status:up/)
  const sentinelPort = await freePort()
  const file = join(directory, 'sentinel.conf')
  writeFileSync(file, [
    `port ${sentinelPort}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor main 127.0.0.1 ${primary.port} 1`,
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 3000',
    ''
  ].join('\n'))
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  const gone = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await gone
    rmSync(directory, { recursive: true, force: true })
  })
  await says(sentinelPort, 'SENTINEL REPLICAS main', new RegExp(String(replica.port)))
  return {
    url: `redis+sentinel://127.0.0.1:${sentinelPort}/0?name=main`,
    primary,
    replica,
    sentinelPort,
    isPromoted: async () => {
      await says(sentinelPort, 'SENTINEL GET-MASTER-ADDR-BY-NAME main', new RegExp(`${replica.port}`))
    }
  }
}
