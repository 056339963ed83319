/** The reasons why Redis cannot be used: codes, and sentences for the operator. */
import { codeOf } from '../../lib/guards.js'

/** Error codes that mean that Redis as a whole is unavailable. */
export const outages: ReadonlySet<string> = new Set([
  'OOM',
  'READONLY',
  'NOPERM',
  'NOAUTH',
  'WRONGPASS',
  'LOADING',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'MISCONF',
  'BUSY',
  'NOREPLICAS',
  'TRYAGAIN'
])

/**
 * Returns the first word of a Redis error, or a system error code. Nothing else: messages may contain
 * arguments.
 */
export function errorCode (error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  const [word] = /^[A-Z]{2,20}(?= |$)/.exec(message) ?? []
  if (word !== undefined && word !== 'ERR') return word
  if (/^ERR DB index/.test(message)) return 'DB_INDEX'
  if (/cluster support disabled/.test(message)) return 'NO_CLUSTER'
  const code = codeOf(error, '')
  if (/^[A-Z_]{3,40}$/.test(code)) return code
  // No node of a Cluster answered.
  if (error instanceof Error && 'lastNodeError' in error && error.lastNodeError instanceof Error) {
    return errorCode(error.lastNodeError)
  }
  return /connect|clos|stream|retries|writeable/i.test(message) ? 'CLOSED' : 'ERR'
}

/** Returns the eviction policy in `INFO memory`. `undefined` for `noeviction`. */
export function evictionPolicy (info: string): string | undefined {
  const [, policy] = /maxmemory_policy:(\S+)/.exec(info) ?? []
  return policy === 'noeviction' ? undefined : policy
}

export interface RedisFault {
  /** The problem, as a part of a sentence. */
  readonly wrong: string
  /** The fix, as a part of a sentence. */
  readonly right: string
}

const certificates = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
])

const faults: Readonly<Record<string, RedisFault>> = {
  READONLY: {
    wrong: 'Redis is a read-only replica',
    right: 'set REDIS_URL to the primary, or use redis+sentinel://a:26379,b:26379/0?name=main to follow it'
  },
  NOAUTH: {
    wrong: 'Redis requires a password',
    right: 'put it into REDIS_URL: redis://user:password@host:6379/0'
  },
  WRONGPASS: {
    wrong: 'Redis refuses the user name or password',
    right: 'check both in REDIS_URL; special characters must be percent-encoded'
  },
  NOPERM: {
    wrong: 'the Redis user lacks permissions',
    right: 'allow the commands and keys that docs/scaling.md lists'
  },
  OOM: {
    wrong: 'the memory of Redis is full',
    right: 'raise maxmemory, and keep maxmemory-policy at noeviction'
  },
  MISCONF: {
    wrong: 'Redis cannot write to its disk, and refuses changes',
    right: 'free disk space for Redis'
  },
  NOREPLICAS: {
    wrong: 'Redis refuses changes without enough replicas',
    right: 'connect its replicas, or lower min-replicas-to-write'
  },
  MASTERDOWN: {
    wrong: 'Redis is a replica that has lost its primary',
    right: 'reconnect it, or set REDIS_URL to the primary'
  },
  TRYAGAIN: {
    wrong: 'the Redis Cluster is moving slots',
    right: 'wait until it has finished'
  },
  LOADING: {
    wrong: 'Redis is loading its data',
    right: 'wait until it has finished'
  },
  BUSY: {
    wrong: 'a script blocks Redis',
    right: 'end it with SCRIPT KILL'
  },
  WRONGTYPE: {
    wrong: 'another program uses keys of this server',
    right: 'set REDIS_PREFIX to a prefix that nothing else uses'
  },
  TIMEOUT: {
    wrong: 'Redis does not answer in time',
    right: 'check its load and the network, or raise REDIS_TIMEOUT_MS'
  },
  CLUSTERDOWN: {
    wrong: 'the Redis Cluster does not serve all slots',
    right: 'repair the Cluster, or set REDIS_URL to a Redis without a Cluster'
  },
  MOVED: {
    wrong: 'Redis belongs to a Cluster',
    right: 'use redis+cluster:// in REDIS_URL'
  },
  NO_CLUSTER: {
    wrong: 'Redis is not a Cluster',
    right: 'use redis:// in REDIS_URL'
  },
  DB_INDEX: {
    wrong: 'Redis has no database with this number',
    right: 'use a lower number in REDIS_URL, or REDIS_PREFIX to separate deployments'
  },
  CERT_HAS_EXPIRED: {
    wrong: 'the certificate of Redis has expired',
    right: 'renew it'
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    wrong: 'the certificate of Redis is for another host',
    right: 'use a host name from the certificate in REDIS_URL'
  },
  ECONNRESET: {
    wrong: 'Redis closes the connection',
    right: 'check REDIS_URL: a TLS port requires rediss://'
  },
  ETIMEDOUT: {
    wrong: 'Redis does not answer',
    right: 'check the host and port in REDIS_URL; rediss:// requires a TLS port'
  }
}

/** `code` is the reason of a `Link`. */
export function redisFaultOf (code: string): RedisFault {
  if (certificates.has(code)) {
    return {
      wrong: 'the certificate of Redis is not trusted',
      right: 'start Node with NODE_EXTRA_CA_CERTS=/path/to/ca.pem, the certificate of its authority'
    }
  }
  return (Object.hasOwn(faults, code) ? faults[code] : undefined) ??
    { wrong: 'Redis cannot be reached', right: 'check REDIS_URL' }
}

/** Returns a sentence without the full stop. Contains nothing of the URL, which may contain a password. */
export function sentenceOf (code: string): string {
  const { wrong, right } = redisFaultOf(code)
  return `${wrong.charAt(0).toUpperCase()}${wrong.slice(1)} (${code}): ${right}`
}
