/**
 * `npm run fleet`: measures one process, two workers, and one and two instances with Redis: requests per
 * second, latency, and processor time per request of the servers and of Redis. Every round measures each
 * setup once; ratios are within a round. Works only on Linux, because it reads processor time from /proc.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { byKey } from './contenders.js'
import { load } from './load.js'
import { ended, freePort, median, run, said, sum, usage } from './programs.js'
import { apiKey, jobs, jwtSecret, requestOf, verify } from './work.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '2' },
    connections: { type: 'string', default: '32' }
  }
})
const [rounds, seconds, warmUp, connections] = ['rounds', 'seconds', 'warm-up', 'connections']
  .map(name => Number(options[name]))
const directory = dirname(new URL(import.meta.url).pathname)
const command = join(directory, '..', 'dist', 'src', 'cli', 'main.js')
const request = requestOf({ era: '2025', params: jobs.whoami, credential: byKey })
const room = mkdtempSync(join(tmpdir(), 'bench-fleet-'))
process.once('exit', () => { rmSync(room, { recursive: true, force: true }) })

const redisPort = await freePort()
const redis = run(
  'redis-server',
  ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', room],
  { cwd: room }
)
await said(redis, 'stdout', /Ready to accept connections/)
const shared = { REDIS_URL: `redis://127.0.0.1:${redisPort}` }
const variants = {
  'one process': { instances: 1, env: {} },
  'WORKERS=2': { instances: 1, env: { WORKERS: '2' } },
  'one instance, Redis': { instances: 1, env: shared },
  'two instances, Redis': { instances: 2, env: shared }
}
const names = Object.keys(variants)
const samples = Object.fromEntries(names.map(name => [name, []]))
for (let round = 0; round < rounds; round++) {
  const order = [...names.slice(round % names.length), ...names.slice(0, round % names.length)]
  for (const name of order) samples[name].push(await measured(variants[name], name))
  console.log(`round ${round + 1}: ${names.map(name => `${name} ${samples[name][round].rate.toFixed(0)}/s`).join(', ')}`)
}
await ended(redis)

console.log('\n| With | Requests/s | Against one process | p50 ms | p99 ms | Server CPU µs/request ' +
  '| Redis CPU µs/request |')
console.log('| --- | --- | --- | --- | --- | --- | --- |')
for (const name of names) {
  const own = samples[name]
  const of = field => median(own.map(sample => sample[field]))
  const ratio = median(own.map(({ rate }, round) => rate / samples['one process'][round].rate))
  const cells = [of('rate').toFixed(0), `${ratio.toFixed(2)}x`, of('p50').toFixed(1), of('p99').toFixed(1), of('cpu').toFixed(0), of('redisCpu').toFixed(0)]
  console.log(`| ${[name, ...cells].join(' | ')} |`)
}

/** Distributes the connections evenly among the instances. */
async function measured ({ instances, env }, name) {
  const servers = []
  try {
    for (let one = 0; one < instances; one++) servers.push(await serve(env, `${name} ${one}`))
    const each = { connections: Math.ceil(connections / instances) }
    for (const { url } of servers) await verify(url, request, 'whoami')
    await Promise.all(servers.map(({ url }) => load(url, request, { ...each, seconds: warmUp })))
    const before = taken(servers)
    const figures = await Promise.all(servers.map(({ url }) => load(url, request, { ...each, seconds })))
    const after = taken(servers)
    const requests = sum(figures.map(figure => figure.requests))
    return {
      rate: sum(figures.map(figure => figure.rate)),
      p50: Math.max(...figures.map(figure => figure.p50)),
      p99: Math.max(...figures.map(figure => figure.p99)),
      cpu: (after.servers - before.servers) / requests,
      redisCpu: (after.redis - before.redis) / requests
    }
  } finally {
    await Promise.all(servers.map(({ child }) => ended(child)))
  }
}

async function serve (env, name) {
  const child = run(process.execPath, [command, 'start'], {
    cwd: room,
    env: {
      HOST: '127.0.0.1',
      PORT: '0',
      NODE_ENV: 'production',
      API_KEYS: apiKey,
      JWT_SECRET: jwtSecret,
      REQUEST_STATE_KEY: 'bench-state-key-0123456789abcdef0123456789abcdef',
      STATE_DIR: join(room, name.replace(/\W/g, '-')),
      PREAUTH_RATE_LIMIT_MAX: '1000000000',
      RATE_LIMIT_MAX: '1000000000',
      ...env
    }
  })
  const [, url] = await said(child, 'stderr', /Ready: (http:\S+)/)
  return { child, url }
}

/** The processor time so far, in microseconds, of the servers with their workers, and of Redis. */
function taken (servers) {
  const { withChildren } = usage()
  return { servers: sum(servers.map(({ child }) => withChildren(child.pid))), redis: withChildren(redis.pid) }
}
