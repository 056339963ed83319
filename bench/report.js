/** The figures as Markdown. */
import { claims, contenders } from './contenders.js'
import { figuresOf, holds, ratioOf } from './figures.js'
import { jobs } from './work.js'

/** Every claim with its ratio for each job. */
export function claimsTable (samples) {
  const names = Object.keys(jobs)
  const rows = claims.map(claim => {
    const cells = names.map(job => {
      const ratio = ratioOf(samples, claim, job)
      return ratio === undefined ? '' : `${times(ratio.median)} (${times(ratio.low)} to ${times(ratio.high)})${holds(claim, ratio.median) ? '' : ' ✗'}`
    })
    const { least, most, aim } = claim
    return [claim.what, ...cells, least === undefined ? `at most ${times(most)}` : `at least ${times(least)}${aim === undefined ? '' : `, aim ${times(aim)}`}`]
  })
  return table([['Ratio (lowest to highest round)', ...names, 'Wanted'], ...rows])
}

/** The claims of throughput in processor time, which hardly heeds what else the machine does. */
export function cpuTable (samples) {
  const names = Object.keys(jobs)
  const rows = claims.filter(({ field }) => field === undefined).map(({ what, of, to }) => {
    const cells = names.map(job => {
      // The other way round: less time is more.
      const ratio = ratioOf(samples, { of: to, to: of, field: 'cpu' }, job)
      return ratio === undefined ? '' : times(ratio.median)
    })
    return [what, ...cells]
  })
  return table([['Processor time a request', ...names], ...rows])
}

function figuresTable (samples, job) {
  const rows = contenders.flatMap(({ id, label, era, ours }) => {
    const figures = figuresOf(samples, id, job)
    if (figures === undefined) return []
    const strong = text => ours ? `**${text}**` : text
    return [[era === '2026' ? '2026-07-28' : '2025-11-25', strong(label), strong(Math.round(figures.rate).toLocaleString('en')), figures.p50.toFixed(1), figures.p99.toFixed(1), Math.round(figures.cpu).toLocaleString('en')]]
  })
  return table([['Revision', 'Server', 'Requests/s', 'p50 ms', 'p99 ms', 'CPU µs/request'], ...rows])
}

export function readme ({ machine, generator, rounds, seconds, warmUp, connections, date }, samples) {
  return `# Benchmark

This server against its peers, side by side on one machine. Written by \`npm ci && npm run bench\` in
this directory (after \`npm ci\` in the one above); \`results.json\` holds every sample.

![Requests per second of each server](chart.svg)

## Ratios

${claimsTable(samples)}

The same in processor time that the server spends on a request, which is what remains when the machine is busy otherwise:

${cpuTable(samples)}

## \`whoami\`

${figuresTable(samples, 'whoami')}

## A tool that echoes 1 KiB

${figuresTable(samples, 'echo')}

Taken on ${date}: ${machine}; ${generator}, ${connections} keep-alive connections. The machine also carries the
load generator, so read the ratios, not the figures.

## How it is measured

- ${rounds} rounds. In each, every contender in turn gets a process of its own; the order is rotated by one a round.
- Each is first asked once and its answer checked, then warmed for ${warmUp} s and measured for ${seconds} s, once with each tool.
  A single answer that is not a 2xx stops the run.
- Figures are medians over the rounds. A ratio is taken within each round, and the median of those is shown.
- This server runs its full chain: environment, origins, both limits (set out of reach), authentication, a log line a
  request to a real file, masking of errors and credentials. The others have none of it: no authentication, no limit, no log.
- All offer the same two tools with the same schemas and answer with the same contents.
- SDK v2 answers 2025 revisions as an event stream; it has no option for JSON there.

## Other measurements

| Command | What it shows |
|---|---|
| \`npm run heap\` | the heap after 500,000 calls against the heap at the start |
| \`npm run tools\` | calls per second with 1, 100 and 1,000 tools |
| \`npm run streams\` | 10,000 idle streams, and the memory of each |
| \`npm run profile\` | where the time of a request goes, by function and by package |
| \`npm run telemetry\` | what audit, metrics and a tracer without an SDK cost, each alone and all together |
| \`npm run fleet\` | one process, two workers, one and two instances on a real Redis; needs Linux and \`redis-server\` |

\`docs/performance.md\` reads their results.
`
}

function table ([head, ...rows]) {
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}

function times (ratio) {
  return `${ratio < 0.1 ? ratio.toFixed(3) : ratio < 2 ? ratio.toFixed(2) : ratio.toFixed(1)}x`
}
