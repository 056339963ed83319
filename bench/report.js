/** Formats the figures as Markdown. */
import { claims, contenders } from './contenders.js'
import { figuresOf, holds, ratioOf } from './figures.js'
import { jobs } from './work.js'

/** A table of every claim with its ratio for each job. */
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
  return table([['Ratio (lowest to highest round)', ...names, 'Target'], ...rows])
}

/** A table of the throughput claims by processor time, which depends little on other load of the machine. */
export function cpuTable (samples) {
  const names = Object.keys(jobs)
  const rows = claims.filter(({ field }) => field === undefined).map(({ what, of, to }) => {
    const cells = names.map(job => {
      // Inverted, because less time is better.
      const ratio = ratioOf(samples, { of: to, to: of, field: 'cpu' }, job)
      return ratio === undefined ? '' : times(ratio.median)
    })
    return [what, ...cells]
  })
  return table([['Processor time per request', ...names], ...rows])
}

function figuresTable (samples, job) {
  const rows = contenders.flatMap(({ id, label, era, ours }) => {
    const figures = figuresOf(samples, id, job)
    if (figures === undefined) return []
    const strong = text => ours ? `**${text}**` : text
    const [rate, cpu] = [figures.rate, figures.cpu].map(value => Math.round(value).toLocaleString('en'))
    const revision = era === '2026' ? '2026-07-28' : '2025-11-25'
    return [[revision, strong(label), strong(rate), figures.p50.toFixed(1), figures.p99.toFixed(1), cpu]]
  })
  return table([['Revision', 'Server', 'Requests/s', 'p50 ms', 'p99 ms', 'CPU µs/request'], ...rows])
}

export function readme ({ machine, generator, rounds, seconds, warmUp, connections, date }, samples) {
  return `# Benchmark

This server compared with similar servers on the same machine. \`npm ci && npm run bench\` in this directory (after \`npm ci\`
in the parent directory) writes this page; \`results.json\` contains every sample.

![Requests per second of each server](chart.svg)

## Ratios

${claimsTable(samples)}

The same ratios by the processor time per request, which depends less on other load of the machine:

${cpuTable(samples)}

## \`whoami\`

${figuresTable(samples, 'whoami')}

## A tool that echoes 1 KiB

${figuresTable(samples, 'echo')}

Taken on ${date}: ${machine}; ${generator}, ${connections} keep-alive connections. The load
generator runs on the same machine, so compare the ratios rather than the absolute figures.

## How it is measured

- ${rounds} rounds. In each round, every server runs once, in a new process. The order is rotated by one each round.
- Each server first answers one request, which is checked. It is then warmed up for ${warmUp} s and measured for ${seconds} s, once with each tool.
  Any answer that is not a 2xx stops the run.
- Figures are medians over the rounds. Ratios are computed within each round; the table shows their medians.
- This server runs its full chain: settings, origins, both limits (set too high to be reached), authentication, a log line per
  request in a file, masking of errors and credentials. The other servers have no authentication, limits or logs.
- All servers offer the same two tools with the same schemas, and return the same content.
- SDK v2 answers 2025 revisions with an event stream; it has no option for JSON.

## Other measurements

| Command | Measurement |
|---|---|
| \`npm run heap\` | the heap after 500,000 calls, compared with the heap at the start |
| \`npm run tools\` | calls per second with 1, 100 and 1,000 tools |
| \`npm run streams\` | the memory per stream, with 10,000 idle streams |
| \`npm run profile\` | the time of a request by function and by package |
| \`npm run telemetry\` | the cost of audit, metrics and a tracer without an SDK, separately and together |
| \`npm run fleet\` | one process, two workers, one and two instances on a real Redis; needs Linux and \`redis-server\` |
| \`npm run proxy\` | a stdio server called directly, and through this package, \`mcp-proxy\` and \`supergateway\`; needs Linux; writes \`docs/proxy.md\` |

\`docs/performance.md\` discusses the results.
`
}

function table ([head, ...rows]) {
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}

function times (ratio) {
  if (ratio < 0.1) return `${ratio.toFixed(3)}x`
  return `${ratio.toFixed(ratio < 2 ? 2 : 1)}x`
}
