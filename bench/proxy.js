/**
 * `npm run proxy`: measures a stdio MCP server directly, and behind this package, `mcp-proxy` and
 * `supergateway`: calls per second, added latency, and the processor time per call of the program in between.
 * Every round measures each once; ratios are within a round. Works only on Linux, because it reads processor
 * time from /proc. Writes its table to docs/proxy.md.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { generator, load } from './load.js'
import { machine } from './machine.js'
import { ended, freePort, median, run, usage } from './programs.js'
import { openStdio } from './stdio.js'
import { apiKey, kilobyte, openSession, requestOf } from './work.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    'warm-up': { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    /** Measure only the contenders with these indexes, comma-separated. */
    only: { type: 'string' },
    /** Measure only in front of this server: `lean` or `everything`. */
    upstream: { type: 'string' },
    'no-write': { type: 'boolean', default: false }
  }
})
const [rounds, seconds, warmUp, connections] = ['rounds', 'seconds', 'warm-up', 'connections']
  .map(name => Number(options[name]))
const directory = dirname(new URL(import.meta.url).pathname)
const { resolve } = createRequire(import.meta.url)
const page = join(directory, '..', 'docs', 'proxy.md')
const room = mkdtempSync(join(tmpdir(), 'bench-proxy-'))
process.once('exit', () => { rmSync(room, { recursive: true, force: true }) })

/** The upstream servers: one that takes almost no time itself, and one of the registry. */
const upstreams = {
  lean: [join(directory, 'servers', 'upstream.js')],
  everything: [
    join(dirname(resolve('@modelcontextprotocol/server-everything/package.json')), 'dist', 'index.js'),
    'stdio'
  ]
}
const call = { name: 'echo', arguments: { message: kilobyte } }
const key = { 'x-api-key': apiKey }
const contenders = [
  { label: 'nothing: over stdio', direct: true },
  { label: 'this package', ours: true, start: ours({}), credential: key },
  { label: 'this package, in a session', ours: true, start: ours({}), credential: key, inSession: true },
  { label: 'this package, `"share": "all"`', ours: true, start: ours({ share: 'all' }), credential: key },
  { label: 'this package, revision 2026-07-28', ours: true, start: ours({}), credential: key, era: '2026' },
  { label: '`mcp-proxy`, in a session', start: mcpProxy(), inSession: true },
  { label: '`mcp-proxy --stateless`', start: mcpProxy('--stateless') },
  { label: '`supergateway --stateful`, in a session', start: supergateway('--stateful'), inSession: true },
  // Starts a process for each request.
  { label: '`supergateway`', start: supergateway(), isSlow: true }
]
const chosen = contenders.filter((_, n) => options.only === undefined || options.only.split(',').includes(String(n)))
const servers = Object.entries(upstreams)
  .filter(([name]) => options.upstream === undefined || options.upstream === name)

const samples = []
for (let round = 0; round < rounds; round++) {
  for (const [upstream, args] of servers) {
    for (const contender of [...chosen.slice(round % chosen.length), ...chosen.slice(0, round % chosen.length)]) {
      const sample = { round, upstream, label: contender.label, ...await measured(contender, args) }
      samples.push(sample)
      console.log(`round ${round + 1}  ${upstream.padEnd(10)} ${contender.label.padEnd(40)} ${sample.rate.toFixed(0).padStart(6)}/s  alone p50 ${sample.p50.toFixed(2)} ms  cpu ${sample.cpu?.toFixed(0) ?? '-'} us`)
    }
  }
}
const text = servers.map(([name]) => tableOf(name)).join('\n\n')
console.log(`\n${text}`)
if (!options['no-write']) write(text)

async function measured ({ direct, start, credential, inSession, era = '2025', isSlow }, args) {
  const loads = { connections, seconds }
  if (direct) {
    const server = await openStdio(process.execPath, args, call)
    try {
      await server.load({ connections, seconds: warmUp })
      const { rate } = await server.load(loads)
      const { p50, p99 } = await server.load({ connections: 1, seconds })
      return { rate, p50, p99 }
    } finally {
      server.stop()
    }
  }
  const port = await freePort()
  const child = start(args, port)
  try {
    const url = `http://127.0.0.1:${port}/mcp`
    const session = inSession ? await opened(url, credential) : undefined
    const request = requestOf({ era, params: call, credential, session })
    await verified(url, request)
    const { seconds: _, ...many } = loads
    if (!isSlow) await warmed(url, request, many)
    const before = usage().alone(child.pid)
    const { requests, rate } = await load(url, request, isSlow ? { connections: 2, seconds } : loads)
    const cpu = (usage().alone(child.pid) - before) / requests
    const { p50, p99 } = await load(url, request, { connections: 1, seconds })
    await verified(url, request)
    return { rate, p50, p99, cpu }
  } finally {
    await ended(child)
  }
}

/** Counts calls, because on a busy machine the time alone would not be enough to compile the code. */
async function warmed (url, request, loads) {
  for (let [requests, tries] = [0, 0]; requests < 8000 && tries < 20; tries++) {
    requests += (await load(url, request, { ...loads, seconds: warmUp })).requests
  }
}

/**
 * Starts this package as an operator does, with its full chain: origins, both limits (out of reach), key and
 * log.
 */
function ours (members) {
  return (args, port) => {
    const file = join(room, `mcp-${port}.json`)
    writeFileSync(file, JSON.stringify({ mcpServers: { one: { command: process.execPath, args, ...members } } }))
    return run(process.execPath, [join(directory, '..', 'dist', 'src', 'cli', 'main.js'), 'start'], {
      cwd: room,
      env: {
        HOST: '127.0.0.1',
        PORT: String(port),
        NODE_ENV: 'production',
        API_KEYS: apiKey,
        MCP_SESSIONS: 'on',
        UPSTREAMS_FILE: file,
        PREAUTH_RATE_LIMIT_MAX: '1000000000',
        RATE_LIMIT_MAX: '1000000000',
        DRAIN_DELAY_MS: '0'
      }
    })
  }
}

function mcpProxy (...flags) {
  return (args, port) => run(process.execPath, [
    binOf('mcp-proxy'), '--host', '127.0.0.1', '--port', String(port), '--server', 'stream', ...flags,
    '--', process.execPath, ...args
  ], { cwd: room })
}

/** Disables the log, which would contain each message twice. */
function supergateway (...flags) {
  return (args, port) => run(process.execPath, [
    binOf('supergateway'), '--stdio', [process.execPath, ...args].join(' '), '--outputTransport', 'streamableHttp',
    '--port', String(port), '--logLevel', 'none', ...flags
  ], { cwd: room })
}

function binOf (name) {
  const folder = join(directory, 'node_modules', name)
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(folder, typeof bin === 'string' ? bin : bin[name])
}

/** Opens a session once the program listens. */
async function opened (url, credential) {
  return await untilUp(async () => {
    const session = await openSession(url, credential)
    if (session['mcp-session-id'] === null) throw new Error('no session')
    const request = requestOf({ era: '2025', method: 'notifications/initialized', credential, session })
    const { id: _, ...message } = JSON.parse(request.body)
    await fetch(url, { method: 'POST', headers: request.headers, body: JSON.stringify(message) })
    return session
  })
}

async function verified (url, request) {
  await untilUp(async () => {
    const response = await fetch(url, { method: 'POST', ...request })
    const text = await response.text()
    if (response.status !== 200 || !text.includes(`Echo: ${kilobyte}`)) throw new Error(`${url} gave a wrong answer: ${response.status} ${text.slice(0, 400)}`)
  })
}

async function untilUp (attempt) {
  for (const end = Date.now() + 30_000; ;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > end) throw error
      await pause(100)
    }
  }
}

function tableOf (upstream) {
  const samplesOf = wanted => samples.filter(({ label, upstream: at }) => label === wanted && at === upstream)
  const [first] = chosen
  const base = samplesOf(first.label)
  const rows = chosen.map(({ label, ours, direct }) => {
    const own = samplesOf(label)
    const of = (field, digits) => median(own.map(sample => sample[field])).toFixed(digits)
    const share = median(own.map(({ rate }, round) => rate / base[round].rate))
    const added = median(own.map(({ p50 }, round) => p50 - base[round].p50))
    return [
      ours ? `**${label}**` : label, Math.round(of('rate', 0)).toLocaleString('en'), `${share.toFixed(2)}x`,
      of('p50', 2), direct ? '' : added.toFixed(2), direct ? '' : of('cpu', 0)
    ]
  })
  const head = ['In front of it', 'Calls/s', 'Of the direct rate', 'p50 ms, one caller', 'Added ms', 'Its CPU µs/call']
  const title = upstream === 'lean'
    ? 'A server that takes almost no time itself:'
    : '`server-everything` of the registry:'
  return `${title}\n\n${[head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')}`
}

function write (tables) {
  const taken = `Taken on ${new Date().toISOString().slice(0, 10)}: ${machine()}; ${generator}, ${connections} keep-alive connections, medians of ${rounds} rounds.`
  const marks = /(<!-- bench -->\n)[^]*(<!-- \/bench -->)/
  const before = readFileSync(page, 'utf8')
  if (!marks.test(before)) throw new Error('docs/proxy.md has no place for the table')
  writeFileSync(page, before.replace(marks, (_, begin, end) => `${begin}${tables}\n\n${taken}\n${end}`))
}
