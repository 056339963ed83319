/** Parses `REDIS_URL`: a single server, Sentinel or Cluster, each with or without TLS. */

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface RedisTarget {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  /** Exactly one for `single`. */
  readonly hosts: readonly HostPort[]
  readonly tls: boolean
  readonly username?: string
  readonly password?: string
  /** Always 0 for `cluster`. */
  readonly db: number
  /** Only for `sentinel`: the name of the primary. */
  readonly name?: string
  readonly sentinelPassword?: string
}

const right =
  'use redis://host:6379/0, rediss:// for TLS, redis+sentinel://a:26379,b:26379/0?name=main or ' +
    'redis+cluster://a:6379,b:6379'

/**
 * The URL is not valid. `wrong` is a part of a sentence without anything of the URL, which may contain a
 * password.
 */
export class RedisUrlError extends Error {
  override readonly name = 'RedisUrlError'
  readonly wrong: string
  readonly right = right

  constructor (wrong: string) {
    super(`The Redis URL ${wrong}: ${right}`)
    this.wrong = wrong
  }
}

/** Throws a `RedisUrlError`. */
export function parseRedisUrl (text: string): RedisTarget {
  try {
    return parse(text)
  } catch (error) {
    // A password that is not encoded looks like a wrong host, path or parameter.
    if (!/^rediss?(\+\w+)?:\/\/.*[/?#@].*@/is.test(text)) throw error
    throw new RedisUrlError('has special characters in its user name or password that are not percent-encoded')
  }
}

/** Does not use `URL`, because several hosts are not a valid URL (RFC 3986 §3.2.2). */
function parse (text: string): RedisTarget {
  const [, scheme = '', secure = '', kind = 'single', user, password, authority = '', path = '', query = ''] =
    /^(redis)(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#@]+)(\/[^?#]*)?(\?[^#]*)?$/i.exec(
      text
    ) ?? []
  if (scheme === '') throw new RedisUrlError('is not a Redis URL')
  const type = kind.toLowerCase() as RedisTarget['kind']
  const hosts = authority.split(',').map(host => hostOf(host, type === 'sentinel' ? 26_379 : 6379))
  if (type === 'single' && hosts.length > 1) throw new RedisUrlError('names several hosts')
  const db = path.replace('/', '')
  if (!/^\d{0,3}$/.test(db)) throw new RedisUrlError('has a path that is not a database number')
  if (type === 'cluster' && Number(db) > 0) throw new RedisUrlError('names a database, but a Cluster has only one')
  const parameters = new URLSearchParams(query)
  const name = parameters.get('name') ?? undefined
  if (type === 'sentinel' && name === undefined) {
    throw new RedisUrlError('lacks ?name=, the name of the primary in the sentinels')
  }
  const unknown = [...parameters.keys()].some(key => type !== 'sentinel' || !['name', 'sentinelPassword'].includes(key))
  if (unknown) throw new RedisUrlError('has an unknown parameter')
  const sentinelPassword = parameters.get('sentinelPassword') ?? undefined
  return {
    kind: type,
    hosts,
    tls: secure !== '',
    ...(user === undefined || user === '' ? {} : { username: decoded(user) }),
    ...(password === undefined || password === '' ? {} : { password: decoded(password) }),
    db: Number(db),
    ...(name === undefined ? {} : { name }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword })
  }
}

/**
 * Returns the parts of a URL that must not be logged: the passwords, or all of a URL that cannot be parsed.
 */
export function passwordsIn (text: string): readonly string[] {
  try {
    const { password, sentinelPassword } = parseRedisUrl(text)
    const all = [password, sentinelPassword].filter(secret => secret !== undefined)
    return [...new Set([...all, ...all.map(encodeURIComponent)])]
  } catch {
    return [text]
  }
}

function hostOf (text: string, defaultPort: number): HostPort {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text.trim()) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port) > 65_535) throw new RedisUrlError('has an invalid host or port')
  return { host, port: port === undefined ? defaultPort : Number(port) }
}

function decoded (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RedisUrlError('has a user name or password that is not percent-encoded')
  }
}
