/** Creates the two connections of an instance: one for commands, and one that waits for messages. */
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis'
import { parseRedisUrl, type RedisTarget } from './url.js'

export type RedisClient = Redis | Cluster

/**
 * A URL as in `REDIS_URL`, or an ioredis client. Only the settings of the client are used; it is never
 * closed.
 */
export type RedisSource = string | RedisClient

/** Checks the methods, not the class, so that a client of another copy of ioredis is accepted, too. */
export function isClient (value: unknown): value is RedisClient {
  return (
    typeof value === 'object' &&
    value !== null &&
    'duplicate' in value &&
    typeof value.duplicate === 'function' &&
    'pipeline' in value
  )
}

/** How long the reader waits for messages in one command, in milliseconds. */
export const blockMs = 2000

/**
 * The deadlines, queue and batches of ioredis are off, because `Link` has its own. ioredis' blocking timeout is not
 * used, because it would make a hanging primary look like one without messages.
 */
const options = {
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 1000,
  connectionName: 'fastify-mcp-auth',
  replyMapping: 'legacy',
  retryStrategy: (times: number) => Math.min(50 * 2 ** times, 1000) + Math.random() * 100,
  // A demoted primary answers READONLY forever, and ends blocked reads with UNBLOCKED.
  reconnectOnError: (error: Error) => /^(READONLY|LOADING|UNBLOCKED)/.test(error.message)
} as const satisfies RedisOptions

const clusterOptions = {
  lazyConnect: true,
  // Has no effect inside `redisOptions`.
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  maxRedirections: 3,
  retryDelayOnFailover: 50,
  clusterRetryStrategy: options.retryStrategy
} as const satisfies ClusterOptions

/**
 * Creates both clients without connecting them. A connection without any response is closed, so that a hanging primary
 * is replaced: after 3.5 seconds, or 1.5 seconds after the deadline of a command (`timeoutMs`) if that is later.
 * Throws a `RedisUrlError`.
 */
export function createClients (source: RedisSource, timeoutMs = 0): { commands: RedisClient, reader: RedisClient } {
  const socketTimeout = Math.max(blockMs, timeoutMs) + 1500
  if (typeof source !== 'string') {
    return { commands: duplicate(source, socketTimeout), reader: duplicate(source, socketTimeout) }
  }
  const target = parseRedisUrl(source)
  return { commands: clientOf(target, socketTimeout), reader: clientOf(target, socketTimeout) }
}

function clientOf (
  { kind, hosts, tls, username, password, db, name, sentinelPassword }: RedisTarget,
  socketTimeout: number
): RedisClient {
  const credentials = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {})
  }
  const own = { ...options, ...credentials, socketTimeout }
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

function duplicate (client: RedisClient, socketTimeout: number): RedisClient {
  if (!isClusterClient(client)) return client.duplicate({ ...options, socketTimeout })
  return client.duplicate([], {
    ...clusterOptions,
    redisOptions: { ...client.options.redisOptions, ...options, socketTimeout }
  })
}

function isClusterClient (client: RedisClient): client is Cluster {
  return client.isCluster
}
