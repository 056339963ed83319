/**
 * Metrics that are scraped under load: each scrape is complete, counters only grow, and the totals are exact.
 */
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { callOf, listening, service, withKey } from '../support/service.js'
import { until } from '../support/until.js'

const lanes = 8
const callsOfALane = 40
const tools = [
  defineTool({ name: 'search', handler: async () => { await new Promise(setImmediate); return 'done' } }),
  defineTool({ name: 'breaks', handler: () => { throw new Error('a disk is full') } })
]

/** The sum of a counter over all series whose labels contain `label`. */
function sumOf (text: string, name: string, label = ''): number {
  const lines = text.split('\n').filter(line => line.startsWith(`${name}{`) && line.includes(label))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

t.test('metrics are complete and correct while requests run', async t => {
  const sink = logSink()
  const app = await service(t, { tools, logStream: sink, env: { METRICS_PORT: '0', RATE_LIMIT_MAX: '100000' } })
  const url = await listening(app)
  const port = Number(sink.lines().find(({ msg }) => msg === 'metrics are served')?.port)
  const scrape = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`)
    t.equal(response.status, 200, 'a scrape')
    return await response.text()
  }
  const count = 'mcp_server_operation_duration_seconds_count'
  const done = new AbortController()
  const seen: number[] = []
  const scraping = (async () => {
    while (!done.signal.aborted) {
      const text = await scrape()
      t.ok(text.endsWith('\n'), 'the scrape is complete')
      seen.push(sumOf(text, count))
    }
  })()
  const statuses = new Set<number>()
  const lane = async (): Promise<void> => {
    for (let call = 0; call < callsOfALane; call++) {
      const body = JSON.stringify(callOf(call % 4 === 0 ? 'breaks' : 'search'))
      const headers = { ...withKey, 'content-type': 'application/json' }
      const response = await fetch(`${url}/mcp`, { method: 'POST', headers, body })
      statuses.add(response.status)
      await response.text()
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  done.abort()
  await scraping
  t.same([...statuses], [200])
  const all = lanes * callsOfALane
  // A request is counted after the last byte of its answer.
  await until(async () => sumOf(await scrape(), count) === all)
  const text = await scrape()
  t.equal(sumOf(text, count, 'gen_ai_tool_name="search"'), all * 3 / 4)
  t.equal(sumOf(text, count, 'gen_ai_tool_name="breaks"'), all / 4)
  t.equal(sumOf(text, 'mcp_server_operation_duration_seconds_bucket', 'le="+Inf"'), all)
  t.same(seen, [...seen].sort((a, b) => a - b), 'counters only grow')
})
