/** Redis URLs, and the messages about invalid ones, which reveal nothing of the URL. */
import t from 'tap'
import { parseRedisUrl, passwordsIn } from '../../../../src/redis/link/url.js'

for (const [url, target] of [
  ['redis://localhost', { kind: 'single', hosts: [{ host: 'localhost', port: 6379 }], tls: false, db: 0 }],
  ['REDISS://me:p%40ss@[::1]:1/15', { hosts: [{ host: '::1', port: 1 }], tls: true, db: 15, password: 'p@ss' }],
  ['redis://:word@host', { password: 'word', username: undefined }],
  ['redis://me:a?b#c@host/2', { username: 'me', password: 'a?b#c', db: 2 }],
  ['redis+sentinel://a,b:2/1?name=m&sentinelPassword=p@ss', {
    kind: 'sentinel',
    hosts: [{ host: 'a', port: 26_379 }, { host: 'b', port: 2 }],
    db: 1,
    name: 'm',
    sentinelPassword: 'p@ss'
  }],
  ['rediss+cluster://a,b', { kind: 'cluster', tls: true }]
] as const) {
  t.test(`${url} is a Redis URL`, async t => {
    t.match(parseRedisUrl(url), target)
  })
}

for (const [url, wrong] of [
  ['localhost:6379', 'is not a Redis URL'],
  ['http://localhost', 'is not a Redis URL'],
  ['redis://', 'is not a Redis URL'],
  ['redis://host:99999', 'has an invalid host or port'],
  ['redis://a,b', 'names several hosts'],
  ['redis://host/name', 'has a path that is not a database number'],
  ['redis://host?db=1', 'has an unknown parameter'],
  ['redis+cluster://a/1', 'names a database, but a Cluster has only one'],
  ['redis+sentinel://a', 'lacks ?name=, the name of the primary in the sentinels'],
  ['redis://:%zz@host', 'has a user name or password that is not percent-encoded'],
  ...['@', '/', '@/', '1/', '?/', '1/#'].map(odd => [
    `redis://me:${odd}word@host:6379/0`,
    'has special characters in its user name or password that are not percent-encoded'
  ] as const)
] as const) {
  t.test(`${url} is refused`, async t => {
    t.throws(() => parseRedisUrl(url), { name: 'RedisUrlError', wrong })
    t.same(passwordsIn(url), [url], 'all of it may be secret')
  })
}
