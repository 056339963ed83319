/**
 * `npm run bench`: measures all servers in interleaved rounds; writes README.md, chart.svg and results.json.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { chart } from './chart.js'
import { contenders, paced } from './contenders.js'
import { generator, load } from './load.js'
import { machine } from './machine.js'
import { start } from './process.js'
import { claimsTable, cpuTable, readme } from './report.js'
import { jobs, openSession, requestOf, verify } from './work.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '6' },
    'warm-up': { type: 'string', default: '4' },
    connections: { type: 'string', default: '32' },
    /** Measure only these ids, comma-separated. */
    only: { type: 'string' },
    'no-build': { type: 'boolean', default: false },
    'no-write': { type: 'boolean', default: false }
  }
})
const directory = dirname(new URL(import.meta.url).pathname)
const [rounds, seconds, warmUp, connections] = ['rounds', 'seconds', 'warm-up', 'connections']
  .map(name => Number(options[name]))
const chosen = contenders.filter(({ id }) => options.only === undefined || options.only.split(',').includes(id))

if (!options['no-build']) build()
const samples = []
for (let round = 0; round < rounds; round++) {
  for (const contender of rotated(chosen, round)) samples.push(...await measure(contender, round))
  if (paced.ids.every(id => chosen.some(contender => contender.id === id))) await pace(round)
}
const run = {
  machine: machine(),
  generator,
  rounds,
  seconds,
  warmUp,
  connections,
  date: new Date().toISOString().slice(0, 10)
}
console.log(`\n${claimsTable(samples)}\n\n${cpuTable(samples)}`)
if (!options['no-write']) {
  writeFileSync(join(directory, 'results.json'), `${JSON.stringify({ run, samples }, null, 1)}\n`)
  writeFileSync(join(directory, 'chart.svg'), chart(samples))
  writeFileSync(join(directory, 'README.md'), readme(run, samples))
}

/** Starts a new process, checks an answer, warms it up with the same work, and measures it. */
async function measure ({ id, file, era, settings, credential, inSession = false }, round) {
  const server = await start(file, settings)
  const measured = []
  try {
    const session = inSession ? await openSession(server.url, credential) : undefined
    for (const [job, params] of Object.entries(jobs)) {
      const request = requestOf({ era, params, credential, session })
      await verify(server.url, request, job)
      await load(server.url, request, { connections, seconds: warmUp })
      const before = await server.ask('cpu')
      const { requests, rate, p50, p99 } = await load(server.url, request, { connections, seconds })
      const after = await server.ask('cpu')
      await verify(server.url, request, job)
      const cpu = (after.user + after.system - before.user - before.system) / requests
      measured.push({ round, id, job, rate, p50, p99, cpu })
      console.log(`round ${round + 1}  ${id.padEnd(14)} ${job.padEnd(7)} ${rate.toFixed(0).padStart(6)} req/s  p50 ${p50.toFixed(2)} ms  p99 ${p99.toFixed(2)} ms  cpu ${cpu.toFixed(0)} us`)
    }
  } finally {
    await server.stop()
  }
  return measured
}

/** Adds latencies to the samples of a round, at a load that both servers can sustain. */
async function pace (round) {
  const chosen = contenders.filter(({ id }) => paced.ids.includes(id))
  for (const { id, file, era, settings, credential } of rotated(chosen, round)) {
    const server = await start(file, settings)
    try {
      for (const [job, params] of Object.entries(jobs)) {
        const ofRound = samples.filter(sample => sample.round === round && sample.job === job)
        const sampleOf = wanted => ofRound.find(sample => sample.id === wanted)
        const pauseMs = connections / (paced.share * sampleOf(paced.by).rate) * 1000
        const request = requestOf({ era, params, credential })
        await load(server.url, request, { connections, seconds: warmUp })
        // A server that was under full load needs a moment to recover, for example for garbage collection.
        await load(server.url, request, { connections, seconds: 2, pauseMs })
        const { rate, p50, p99 } = await load(server.url, request, { connections, seconds, pauseMs })
        Object.assign(sampleOf(id), { pacedRate: rate, pacedP50: p50, pacedP99: p99 })
        console.log(`round ${round + 1}  ${id.padEnd(14)} ${job.padEnd(7)} ${rate.toFixed(0).padStart(6)} req/s  p50 ${p50.toFixed(2)} ms  p99 ${p99.toFixed(2)} ms  at the same load`)
      }
    } finally {
      await server.stop()
    }
  }
}

/** Rotates the list, so that each server takes each place in the order. */
function rotated (list, by) {
  const at = by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}

function build () {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: join(directory, '..'), stdio: 'inherit' })
  if (status !== 0) throw new Error('the package does not build; run `npm ci` in the directory above first')
}
