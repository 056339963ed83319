/**
 * `npm run telemetry`: measures the processor time per request of audit, metrics and a no-op tracer, separately and
 * together, compared with the same server without them. Every round measures each once; ratios are within a round.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { byKey, ourSettings } from './contenders.js'
import { load } from './load.js'
import { start } from './process.js'
import { jobs, requestOf, verify } from './work.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    'warm-up': { type: 'string', default: '3' },
    job: { type: 'string', default: 'whoami' }
  }
})
const [rounds, seconds, warmUp] = ['rounds', 'seconds', 'warm-up'].map(name => Number(options[name]))
const room = mkdtempSync(join(tmpdir(), 'bench-telemetry-'))
const file = { AUDIT_FILE: join(room, 'audit.jsonl') }
const key = { AUDIT_KEY: 'bench-audit-key-0123456789abcdef0123456789abcdef' }
const metrics = { METRICS_PORT: '0' }
/** A provider whose spans do nothing. The package recognizes it, so this measures the cost of tracing that is off. */
const tracer = { isTraced: true }
const variants = {
  nothing: {},
  audit: { env: file },
  'audit with AUDIT_KEY': { env: { ...file, ...key } },
  metrics: { env: metrics },
  tracer,
  'audit, metrics and tracer': { env: { ...file, ...metrics }, ...tracer },
  'audit with AUDIT_KEY, metrics and tracer': { env: { ...file, ...key, ...metrics }, ...tracer }
}
const request = requestOf({ era: '2025', params: jobs[options.job], credential: byKey })
const samples = Object.fromEntries(Object.keys(variants).map(name => [name, []]))

for (let round = 0; round < rounds; round++) {
  const names = Object.keys(variants)
  const order = [...names.slice(round % names.length), ...names.slice(0, round % names.length)]
  for (const name of order) samples[name].push(await cpuOf(variants[name]))
  console.log(`round ${round + 1}: ${names.map(name => `${name} ${samples[name][round].toFixed(1)} us`).join(', ')}`)
}
rmSync(room, { recursive: true })

console.log('\n| With | Processor time per request | Compared with nothing (lowest to highest round) |')
console.log('| --- | --- | --- |')
for (const [name, own] of Object.entries(samples)) {
  const ratios = own.map((cpu, round) => cpu / samples.nothing[round] - 1).sort((a, b) => a - b)
  const percent = ratio => `${(ratio * 100).toFixed(1)} %`
  console.log(`| ${name} | ${median(own).toFixed(1)} µs | ${percent(median(ratios))} (${percent(ratios[0])} to ${percent(ratios.at(-1))}) |`)
}

/** The processor time per request in microseconds, in a new process. */
async function cpuOf ({ env = {}, isTraced = false }) {
  const nodeOptions = isTraced ? ['--import', new URL('servers/no-op-tracer.js', import.meta.url).href] : []
  const server = await start('ours.js', { ...ourSettings, env }, { nodeOptions })
  try {
    await verify(server.url, request, options.job)
    await load(server.url, request, { seconds: warmUp })
    const before = await server.ask('cpu')
    const { requests } = await load(server.url, request, { seconds })
    const after = await server.ask('cpu')
    return (after.user + after.system - before.user - before.system) / requests
  } finally {
    await server.stop()
  }
}

function median (values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}
