/** Puts a server under load from another process: with wrk if it is installed, otherwise autocannon. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { idPlace } from './work.js'

const run = promisify(execFile)
const directory = import.meta.dirname ?? dirname(new URL(import.meta.url).pathname)

/** `wrk` or `autocannon`. wrk needs less processor time. */
export const generator = process.env.BENCH_LOAD ?? (spawnSync('wrk', ['-v']).error === undefined ? 'wrk' : 'autocannon')

/**
 * Sends `request` over `connections` keep-alive connections for `seconds`. `pauseMs` is the average pause
 * between an answer and the next request; the default is no pause. Resolves to requests per second and the
 * latencies in milliseconds. Rejects if any answer was not a 2xx.
 */
export async function load (url, request, { connections = 32, seconds = 5, pauseMs = 0 } = {}) {
  const room = mkdtempSync(join(tmpdir(), 'bench-'))
  const bodyFile = join(room, 'body.json')
  writeFileSync(bodyFile, request.body)
  try {
    const figures = await (generator === 'wrk' ? wrk : autocannon)(
      url,
      { headers: request.headers, room, bodyFile, connections, seconds, pauseMs }
    )
    if (figures.bad + figures.lost > 0) throw new Error(`${url}: ${figures.bad} requests were refused, ${figures.lost} were lost`)
    return figures
  } finally {
    rmSync(room, { recursive: true })
  }
}

async function wrk (url, { headers, room, bodyFile, connections, seconds, pauseMs }) {
  let script = join(directory, 'load.lua')
  if (pauseMs > 0) {
    // Random pauses, like those of independent callers. wrk looks for the function before it runs anything.
    const pause = `\nmath.randomseed(os.time())\nfunction delay () return math.floor(0.5 - math.log(1 - math.random()) * ${pauseMs}) end\n`
    const given = readFileSync(script, 'utf8')
    script = join(room, 'paced.lua')
    writeFileSync(script, given + pause)
  }
  const { stdout } = await run('wrk', [
    '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '-s', script, url,
    '--', bodyFile, ...Object.entries(headers).flat()
  ])
  const { requests, us, ...rest } = JSON.parse(stdout.trim().split('\n').at(-1))
  return { requests, rate: requests / us * 1e6, ...rest }
}

async function autocannon (url, { headers, bodyFile, connections, seconds, pauseMs }) {
  const rate = pauseMs > 0 ? ['-R', String(Math.round(connections / pauseMs * 1000))] : []
  const replacesId = readFileSync(bodyFile, 'utf8').includes(idPlace) ? ['-I'] : []
  const { stdout } = await run(process.execPath, [
    createRequire(import.meta.url).resolve('autocannon'), '--json', '--no-progress', '-m', 'POST', ...rate,
    '-c', String(connections), '-d', String(seconds), '-t', '30', ...replacesId, '-i', bodyFile,
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}=${value}`]), url
  ], { maxBuffer: 64 * 1024 * 1024 })
  const { requests, latency, throughput, duration, errors, timeouts, non2xx } = JSON.parse(stdout)
  return {
    requests: requests.total,
    rate: requests.total / duration,
    bytes: throughput.total,
    p50: latency.p50,
    p99: latency.p99,
    max: latency.max,
    bad: non2xx,
    lost: errors + timeouts
  }
}
