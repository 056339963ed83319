/** Checks the Redis that instances share: whether it is available, and whether data in it may be lost. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createClients } from '../redis/link/client.js'
import { evictionPolicy, redisFaultOf } from '../redis/link/faults.js'
import { RedisKeys } from '../redis/link/keys.js'
import { Link } from '../redis/link/link.js'
import type { Finding } from './finding.js'

/** How long to wait after a first failure, because Redis may be starting. */
const graceMs = 1000

/**
 * `url` is that of `REDIS_URL`, `prefix` that of the server's keys, `connectMs` the time for the first connection,
 * which includes the name lookup and TLS. No finding contains anything of the URL.
 */
export async function examineRedis (url: string, prefix: string, connectMs = 5000): Promise<Finding[]> {
  const { commands, reader } = createClients(url, connectMs)
  reader.disconnect()
  const link = new Link({ client: commands, keys: new RedisKeys(`${prefix}/mcp:`), timeoutMs: connectMs })
  const stop = new AbortController()
  const wait = async (ms: number): Promise<void> => {
    await sleep(ms, undefined, { signal: stop.signal }).catch(() => {})
  }
  try {
    const up = new Promise<void>(resolve => { link.onUp(resolve) })
    link.start()
    await Promise.race([up, wait(connectMs), link.tried.then(async () => { await wait(graceMs) })])
    if (!link.isUp) {
      const { wrong, right } = redisFaultOf(link.reason)
      return [{
        id: 'redis',
        severity: 'error',
        what: `REDIS_URL: ${wrong} (${link.reason})`,
        why: 'The server does not start, or with REDIS_START=degraded starts without a shared state.',
        fix: right
      }]
    }
    return await risks(link)
  } finally {
    stop.abort()
    await link.close()
  }
}

/** Returns no findings if INFO is not allowed. */
async function risks (link: Link): Promise<Finding[]> {
  const info = await Promise.all(['memory', 'replication'].map(async part => String(await link.call('INFO', part))))
    .then(parts => parts.join('\n'), () => '')
  const policy = evictionPolicy(info)
  return [
    ...policy === undefined
      ? []
      : [{
          id: 'redis-eviction',
          severity: 'warning',
          what: `Redis has maxmemory-policy ${policy}`,
          why: 'When its memory is full, it drops limits and revocations.',
          fix: 'set maxmemory-policy to noeviction'
        } as const],
    ...!/role:slave/.test(info)
      ? []
      : [{
          id: 'redis-replica',
          severity: 'warning',
          what: 'REDIS_URL: Redis is a replica that accepts writes',
          why: 'Data that the servers write there is lost at its next synchronization.',
          fix: redisFaultOf('READONLY').right
        } as const]
  ]
}
