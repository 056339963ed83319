/** Creates the two connections of an instance: one for commands, one that waits for messages. */
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis'
import { parseRedisUrl, type RedisTarget } from './url.js'

export type Client = Redis | Cluster

/** A URL as in `REDIS_URL`, or a client of ioredis, whose settings are taken over; it is not used or closed itself. */
export type RedisSource = string | Client

/** Also one of another copy of the library: what counts is what it can do. */
export function isClient (value: unknown): value is Client {
  return (
    typeof value === 'object' &&
    value !== null &&
    'duplicate' in value &&
    typeof value.duplicate === 'function' &&
    'pipeline' in value
  )
}

/** How long the reader waits for news before it asks again, in milliseconds. */
export const blockMs = 2000

/**
 * The library's own deadline, queue and batches are off: `Link` has better ones. A connection on which nothing comes in
 * for `socketTimeout` is left, so that a primary that hangs is looked for anew. A blocking timeout would make its
 * silence look like no news.
 */
const options = {
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 1000,
  socketTimeout: blockMs + 1500,
  connectionName: 'fastify-mcp-auth',
  replyMapping: 'legacy',
  retryStrategy: (times: number) => Math.min(50 * 2 ** times, 1000) + Math.random() * 100,
  // A primary that was demoted answers so for ever; a reader that waited there is told by UNBLOCKED.
  reconnectOnError: (error: Error) => /^(READONLY|LOADING|UNBLOCKED)/.test(error.message)
} as const satisfies RedisOptions

const clusterOptions = {
  lazyConnect: true,
  // Inside `redisOptions` it is ignored.
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  maxRedirections: 3,
  retryDelayOnFailover: 50,
  clusterRetryStrategy: options.retryStrategy
} as const satisfies ClusterOptions

/** Neither is connected yet. Throws a `RedisUrlError`. */
export function createClients (source: RedisSource): { commands: Client, reader: Client } {
  if (typeof source !== 'string') return { commands: duplicate(source), reader: duplicate(source) }
  const target = parseRedisUrl(source)
  return { commands: clientOf(target), reader: clientOf(target) }
}

function clientOf ({ kind, hosts, tls, username, password, db, name, sentinelPassword }: RedisTarget): Client {
  const credentials = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {})
  }
  const own = { ...options, ...credentials }
  if (kind === 'cluster') {
    return new Cluster(
      hosts.map(host => ({ ...host })),
      { ...clusterOptions, redisOptions: own }
    )
  }
  if (kind === 'single') return new Redis({ ...own, ...hosts[0], db })
  return new Redis({
    ...own,
    sentinels: hosts.map(host => ({ ...host })),
    ...(name === undefined ? {} : { name }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(tls ? { enableTLSForSentinelMode: true } : {}),
    sentinelRetryStrategy: options.retryStrategy,
    db
  })
}

function duplicate (client: Client): Client {
  if (!isClusterClient(client)) return client.duplicate({ ...options })
  return client.duplicate([], {
    ...clusterOptions,
    redisOptions: { ...client.options.redisOptions, ...options }
  })
}

function isClusterClient (client: Client): client is Cluster {
  return client.isCluster
}
