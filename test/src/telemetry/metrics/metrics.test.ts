/** The number of series, when callers try to use them up. */
import t, { type Test } from 'tap'
import { revisions } from '../../../../src/telemetry/known-words.js'
import { Measures } from '../../../../src/telemetry/measures.js'
import { Metrics } from '../../../../src/telemetry/metrics/metrics.js'

interface Scrape {
  readonly call: (item: string, revision: string, result?: string) => void
  readonly counts: () => readonly string[]
}

/** Metrics of a server that has each tool in question. */
function scrape (t: Test): Scrape {
  const measures = new Measures()
  measures.knowItems(() => true)
  const metrics = new Metrics(measures)
  t.teardown(() => { metrics.close() })
  return {
    call: (item, revision, result = 'ok') => {
      const method = 'tools/call'
      metrics.note({ kind: 'called', outcome: 'allowed', at: 0, method, itemKind: 'tool', item, revision, result })
    },
    counts: () => metrics.text().match(/^mcp_server_operation_duration_seconds_count.*$/gm) ?? []
  }
}

t.test('a caller that uses each revision of each tool does not hide the tools of others', t => {
  const { call, counts } = scrape(t)
  for (let tool = 0; tool < 500; tool++) for (const revision of [...revisions, '']) call(`tool-${tool}`, revision)
  call('precious', '2025-11-25', 'MCP_ERR_INTERNAL')
  call('precious', '2026-07-28', 'MCP_ERR_INTERNAL')
  t.match(counts().filter(line => line.includes('precious')), [
    /mcp_protocol_version="other",.*gen_ai_tool_name="precious",error_type="-32603"\} 2$/
  ])
  t.notOk(counts().some(line => line.includes('gen_ai_tool_name="other"')))
  t.end()
})

t.test('the number of series is bounded even for a huge catalog', t => {
  const { call, counts } = scrape(t)
  for (let tool = 0; tool < 10_000; tool++) call(`tool-${tool}`, '2025-11-25')
  t.equal(counts().length, 4001)
  t.match(counts().at(-1), /gen_ai_tool_name="other",.*\} 6000$/)
  t.end()
})
