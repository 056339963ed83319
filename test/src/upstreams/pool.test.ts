/** Starts of an upstream: pauses after failures, with a clock that the test moves, and ends of hanging starts. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { UpstreamAwayError } from '../../../src/upstreams/connection.js'
import { readUpstreams } from '../../../src/upstreams/options.js'
import { Pool } from '../../../src/upstreams/pool.js'
import { hostile } from '../../support/upstreams.js'
import { until } from '../../support/until.js'

t.test('failed starts double the pause from 250 ms to 30 s', async t => {
  const { now } = Date
  let time = now()
  Date.now = () => time
  t.teardown(() => { Date.now = now })
  // No server listens on this port.
  const [upstream] = readUpstreams({ mcpServers: { one: { url: 'http://127.0.0.1:1/mcp', share: 'caller' } } })
  if (upstream === undefined) throw new Error('no upstream')
  let starts = 0
  const nothing = (): void => {}
  const pool = new Pool({ upstream, maxResultBytes: 1000 }, {
    line: nothing,
    odd: nothing,
    changed: nothing,
    updated: nothing,
    lost: nothing,
    opened: nothing,
    failed: () => { starts += 1 }
  })
  t.teardown(async () => { await pool.close() })
  const startsAfter = async (ms: number): Promise<number> => {
    time += ms
    await t.rejects(pool.of('ada'), UpstreamAwayError)
    return starts
  }
  t.equal(await startsAfter(0), 1)
  for (const [before, pause] of [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].entries()) {
    t.equal(await startsAfter(pause - 1), before + 1, `not yet after ${pause - 1} ms`)
    t.equal(await startsAfter(1), before + 2, `again after ${pause} ms`)
  }
  t.ok(pool.isAway)
  pool.recover()
  t.notOk(pool.isAway)
  t.equal(await startsAfter(0), 11)
  t.equal(await startsAfter(250), 12, 'the pause is short again')
})

t.test('a failed start for one principal does not delay another', async t => {
  const [upstream] = readUpstreams({ mcpServers: { one: { url: 'http://127.0.0.1:1/mcp', share: 'caller' } } })
  if (upstream === undefined) throw new Error('no upstream')
  let starts = 0
  const nothing = (): void => {}
  const events = { line: nothing, odd: nothing, changed: nothing, updated: nothing, lost: nothing, opened: nothing }
  const pool = new Pool({ upstream, maxResultBytes: 1000 }, { ...events, failed: () => { starts += 1 } })
  t.teardown(async () => { await pool.close() })
  const { now } = Date
  const time = now()
  Date.now = () => time
  t.teardown(() => { Date.now = now })
  for (const name of ['mallory', 'mallory', 'mallory', 'ada']) await t.rejects(pool.of(name), UpstreamAwayError)
  t.equal(starts, 2, 'one start for each principal')
})

/** A server over HTTP that never answers. `asked` counts its requests. */
async function silent (t: Test): Promise<{ url: string, asked: () => number }> {
  let asked = 0
  const server = createServer(() => { asked += 1 })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, asked: () => asked }
}

for (const type of ['stdio', 'http', 'sse'] as const) {
  t.test(`closing a pool ends a start that hangs (${type})`, async t => {
    const { url, asked } = await silent(t)
    const server = type === 'stdio' ? hostile('hangs', 'tells-secret') : { url, type }
    // Longer than the limit of a test.
    const [upstream] = readUpstreams({ mcpServers: { one: { ...server, startTimeoutMs: 3_600_000 } } })
    if (upstream === undefined) throw new Error('no upstream')
    const lines: string[] = []
    const nothing = (): void => {}
    const events = { odd: nothing, changed: nothing, updated: nothing, lost: nothing, opened: nothing, failed: nothing }
    const pool = new Pool({ upstream, maxResultBytes: 1000 }, { ...events, line: line => { lines.push(line) } })
    const opening = t.rejects(pool.of('ada'), UpstreamAwayError)
    await until(() => lines.length > 0 || asked() > 0)
    await pool.close()
    await opening
  })
}
