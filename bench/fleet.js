/**
 * `npm run fleet`: measures one process, two workers, and one and two instances with Redis: requests per
 * second, latency, and processor time per request of the servers and of Redis. Every round measures each
 * setup once; ratios are within a round. Works only on Linux, because it reads processor time from /proc.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { byKey } from './contenders.js'
import { load } from './load.js'
import { apiKey, jobs, jwtSecret, requestOf, verify } from './work.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '2' },
    connections: { type: 'string', default: '32' }
  }
})
const [rounds, seconds, warmUp, connections] = ['rounds', 'seconds', 'warm-up', 'connections'].map(name => Number(options[name]))
const directory = dirname(new URL(import.meta.url).pathname)
const command = join(directory, '..', 'dist', 'src', 'cli', 'main.js')
const request = requestOf({ era: '2025', params: jobs.whoami, credential: byKey })
const room = mkdtempSync(join(tmpdir(), 'bench-fleet-'))
const children = new Set()
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(room, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

const redisPort = await freePort()
const redis = run('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', room])
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

console.log('\n| With | Requests/s | Against one process | p50 ms | p99 ms | Server CPU µs/request | Redis CPU µs/request |')
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
    const before = usage(servers)
    const figures = await Promise.all(servers.map(({ url }) => load(url, request, { ...each, seconds })))
    const after = usage(servers)
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
  })
  const [, url] = await said(child, 'stderr', /Ready: (http:\S+)/)
  return { child, url }
}

function run (file, args, env = {}) {
  const child = spawn(file, args, { cwd: room, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.resume()
  children.add(child)
  child.once('exit', () => { children.delete(child) })
  return child
}

/** The output of `child` on a stream, once it matches `pattern`. */
async function said (child, stream, pattern) {
  let text = ''
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => { reject(new Error(`ended with ${code}: ${text}`)) })
    child[stream].on('data', data => {
      text += data
      const match = pattern.exec(text)
      if (match !== null) resolve(match)
    })
  })
}

async function ended (child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGTERM')
  const kill = pause(15_000, undefined, { ref: false }).then(() => child.kill('SIGKILL'))
  await Promise.race([exit, kill.then(() => exit)])
}

/** The processor time so far, in microseconds, of the servers with their workers, and of Redis. */
function usage (servers) {
  const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(statOf)
  const timeOf = pid => sum(processes.filter(one => one.pid === pid).map(one => one.us)) +
    sum(processes.filter(one => one.parent === pid).map(one => timeOf(one.pid)))
  return { servers: sum(servers.map(({ child }) => timeOf(child.pid))), redis: timeOf(redis.pid) }
}

/** proc(5): fields 4, 14 and 15, after the name in brackets. A tick is 10 ms. */
function statOf (name) {
  try {
    const fields = readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')
    return [{ pid: Number(name), parent: Number(fields[1]), us: (Number(fields[11]) + Number(fields[12])) * 10_000 }]
  } catch {
    return []
  }
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise(resolve => server.close(resolve))
  return port
}

function sum (values) {
  return values.reduce((total, value) => total + value, 0)
}

function median (values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1]
}
