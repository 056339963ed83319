/**
 * `npm run restarts`: kills a process behind the proxy 1,000 times, or as often as the argument says. Exits
 * with 1 if the number of processes, descriptors, listeners or objects, or the heap, grows.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { queryObjects } from 'node:v8'
import { Client } from '@modelcontextprotocol/client'
import { buildApp } from '../../src/index.js'
import { UpstreamCall } from '../../src/upstreams/call.js'
import { Connection } from '../../src/upstreams/connection.js'
import { ProcessTransport } from '../../src/upstreams/transport/process-transport.js'

const times = Number(process.argv[2] ?? 1000)
const limitMs = 5 * 60_000
/**
 * Allowed growth of the heap: for code that is compiled later, and for each restart. Objects are counted
 * exactly.
 */
const noiseBytes = 500_000
const maxBytesPerRestart = 500
const fixture = fileURLToPath(new URL('../fixtures/upstream.sh', import.meta.url))
const key = 'key-of-the-restarts-0001'
const limit = setTimeout(() => {
  process.stderr.write(`not finished after ${limitMs} ms\n`)
  process.exit(1)
}, limitMs)
const app = await buildApp({
  env: { API_KEYS: key, RATE_LIMIT_MAX: '1000000', LOG_LEVEL: 'silent' },
  upstreams: { mcpServers: { one: { command: 'sh', args: [fixture] } } }
})

async function call (name: string): Promise<string> {
  const { payload } = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    payload: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }
  })
  return payload
}

function children (): number {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name) && parentOf(name) === process.pid).length
}

function parentOf (pid: string): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

interface Counts {
  readonly [what: string]: number
}

/** The counts while exactly one process runs. */
async function counts (): Promise<Counts> {
  await call('pid')
  await sleep(500)
  globalThis.gc?.()
  return {
    'child processes': children(),
    descriptors: readdirSync('/proc/self/fd').length,
    'listeners of the process': process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    'active resources': process.getActiveResourcesInfo().length,
    // Counting objects collects garbage first.
    connections: queryObjects(Connection, { format: 'count' }),
    clients: queryObjects(Client, { format: 'count' }),
    transports: queryObjects(ProcessTransport, { format: 'count' }),
    calls: queryObjects(UpstreamCall, { format: 'count' }),
    'bytes of heap': process.memoryUsage().heapUsed
  }
}

function show (restarts: number, { 'bytes of heap': bytes = 0, ...others }: Counts): void {
  const texts = Object.entries(others).map(([what, count]) => `${count} ${what}`)
  process.stdout.write(`${restarts} restarts: ${texts.join(', ')}, ${(bytes / 1e6).toFixed(2)} MB of heap\n`)
}

const warmUp = Math.ceil(times / 2)

function grownSince (before: Counts, after: Counts): string[] {
  return Object.keys(after).filter(what => {
    const allowed = what === 'bytes of heap' ? noiseBytes + (times - warmUp) * maxBytesPerRestart : 0
    return (after[what] ?? 0) > (before[what] ?? 0) + allowed
  })
}

try {
  for (let n = 0; n < warmUp; n++) await call('die')
  const before = await counts()
  show(warmUp, before)
  for (let n = warmUp; n < times; n++) await call('die')
  let after = await counts()
  // Killed processes may take a moment to disappear.
  for (let tries = 0; tries < 20 && grownSince(before, after).length > 0; tries++) after = await counts()
  show(times, after)
  const grown = grownSince(before, after)
  for (const what of grown) process.stderr.write(`${what} grew from ${before[what]} to ${after[what]}\n`)
  if (grown.length > 0) process.exitCode = 1
  else process.stdout.write('The restarts left nothing behind.\n')
} finally {
  clearTimeout(limit)
  await app.close()
}
