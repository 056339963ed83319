/**
 * `npm run soak`: sends mixed traffic to a fleet, causes a fault each minute, and reports the results.
 * `SOAK_MINUTES` is the duration (default 10).
 */
import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateToken } from '../../src/index.js'
import { SoakFleet } from './fleet.js'
import { Mix, type Reply } from './mixed.js'
import { chartOf, type Sample } from './report.js'

const minutes = Number(process.env.SOAK_MINUTES ?? 10)
const size = 4
const principals = 200
const max = 120
const windowMs = 60_000
const concurrency = 16
const secret = 'a-secret-of-the-soak-with-more-than-32-bytes'

const fleet = new SoakFleet({
  JWT_SECRET: secret,
  RATE_LIMIT_MAX: String(max),
  RATE_LIMIT_WINDOW_MS: String(windowMs),
  TRUST_PROXY: 'loopback',
  PREAUTH_RATE_LIMIT_MAX: '20',
  MCP_SESSIONS: 'on',
  TOKEN_DELIVERY: 'link',
  PUBLIC_URL: 'http://localhost'
})
const tokens = Array.from({ length: principals }, (_, n) => generateToken(`user-${n}`, 'user', '2h', { secret }))
const agent = new Agent({ keepAlive: true, maxSockets: 8 })
const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: {} } }

const faults: ReadonlyArray<readonly [string, () => Promise<void>]> = [
  ['Redis killed and restarted empty', () => fleet.killRedis()],
  ['an instance killed', () => fleet.killInstance(1)],
  ['Redis frozen for 3 s', () => fleet.freezeRedis()],
  ['all connections cut', () => fleet.cutConnections()],
  ['Redis out of memory for 3 s', () => fleet.fillMemory()]
]

const samples: Sample[] = []
const counts = { good: 0, limited: 0, refused: 0, faults5xx: 0, lost: 0, wrong: 0 }
/** The times at which each principal's requests were allowed. */
const letIn = new Map<number, number[]>()
const work = { isOver: false }
let slowest = 0

const mix = new Mix({
  urls: () => fleet.instances.map(({ url }) => url),
  send,
  tokenOf: (user, role) => generateToken(user, role, '2h', { secret }),
  isOver: () => work.isOver
})

async function send (url: string, method: string, headers: Record<string, string>, body?: object): Promise<Reply> {
  return await new Promise((resolve, reject) => {
    const sent = request(
      `${url}`,
      {
        method,
        agent,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...headers
        }
      },
      response => {
        let text = ''
        response
          .setEncoding('utf8')
          .on('data', chunk => {
            text += String(chunk)
          })
          .on('end', () => {
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
          })
          .on('error', reject)
      }
    )
    sent.on('error', reject)
    sent.end(body === undefined ? '' : JSON.stringify(body))
  })
}

async function caller (): Promise<void> {
  while (!work.isOver) {
    // A few callers send far more than their limit.
    const n = Math.random() < 0.3 ? Math.floor(Math.random() * 5) : Math.floor(Math.random() * principals)
    const isGuess = Math.random() < 0.02
    const { url = '' } = fleet.instances[Math.floor(Math.random() * size)] ?? {}
    const begin = performance.now()
    try {
      const headers = isGuess
        ? { 'x-api-key': `guess-${Math.random()}`, 'x-forwarded-for': '192.0.2.1' }
        : { authorization: `Bearer ${tokens[n]}`, 'x-forwarded-for': `198.51.100.${n % 250}` }
      const { status, text } = await send(url, 'POST', headers, call)
      slowest = Math.max(slowest, performance.now() - begin)
      if (status >= 500) counts.faults5xx += 1
      else if (status === 429) counts.limited += 1
      else if (status === 401) counts.refused += 1
      else if (status === 200) {
        counts.good += 1
        if (isGuess || !text.includes(`"jwt:user-${n}"`)) {
          // `whoami` also repeats the id in a text.
          if (isGuess || !text.includes(`jwt:user-${n}\\"`)) counts.wrong += 1
        }
        letIn.set(n, [...letIn.get(n) ?? [], performance.now()])
      }
    } catch {
      counts.lost += 1
    }
    await sleep(Math.random() * 20)
  }
}

async function watch (): Promise<void> {
  const begin = performance.now()
  while (!work.isOver) {
    samples.push({
      seconds: (performance.now() - begin) / 1000,
      good: counts.good,
      limited: counts.limited,
      keys: await fleet.keys(),
      memory: fleet.memory(),
      fault: ''
    })
    await sleep(5000)
  }
}

/** The highest number of allowed requests of one principal within a window. */
function mostInWindow (): number {
  let most = 0
  for (const times of letIn.values()) {
    for (let first = 0, last = 0; last < times.length; last++) {
      while ((times[last] ?? 0) - (times[first] ?? 0) >= windowMs) first += 1
      most = Math.max(most, last - first + 1)
    }
  }
  return most
}

await fleet.start(size)
const all = [watch(), mix.run(), ...Array.from({ length: concurrency }, caller)]
const told: string[] = []
for (let minute = 0; minute < minutes; minute++) {
  await sleep(25_000)
  const [name, inject] = faults[minute % faults.length] ?? ['', async () => {}]
  const last = samples.at(-1)
  if (last !== undefined) samples[samples.length - 1] = { ...last, fault: name }
  told.push(`minute ${minute + 1}: ${name}`)
  await inject()
  await sleep(30_000)
}
work.isOver = true
await Promise.all(all)
const lines = fleet.instances.map(instance => instance.lines)
const [connections, keys] = [await fleet.connections(), await fleet.keys()]
fleet.stop()
agent.destroy()

// Any minute touches two fixed windows, and without Redis each instance may allow the whole limit.
const bound = 2 * size * max
const most = mostInWindow()
const problems = [
  ...counts.faults5xx > 0 ? [`${counts.faults5xx} answers with 5xx`] : [],
  ...counts.wrong > 0 ? [`${counts.wrong} answers to the wrong principal`] : [],
  ...most > bound ? [`a principal made ${most} requests within a window, more than ${bound}`] : [],
  ...mix.problems,
  ...connections > 2 * size + 1 ? [`${connections} connections to Redis, for ${size} instances`] : [],
  // Allows for a bucket per caller, a list per address, and a few keys per recent session and link.
  ...keys > 20 * principals ? [`${keys} keys in Redis`] : [],
  ...mix.counts.sessions * mix.counts.links * mix.counts.revocations === 0 ? ['too few operations'] : [],
  ...lines.some(count => count > 20 + 4 * minutes) ? [`too many log lines: ${lines.join(', ')}`] : []
]
const result = {
  minutes,
  size,
  principals,
  max,
  ...counts,
  mixed: mix.counts,
  connections,
  keys,
  mostInWindow: most,
  bound,
  slowestMs: Math.round(slowest),
  logLines: lines,
  faults: told,
  problems
}
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
if (process.env.SOAK_CHART !== undefined) writeFileSync(process.env.SOAK_CHART, chartOf(samples))
process.exit(problems.length === 0 ? 0 : 1)
