/** Lists of an upstream: read page by page, bounded, and served without what is malformed. */
import t, { type Test } from 'tap'
import type { UpstreamOptions } from '../../src/upstreams/options.js'
import { type LogSink, logSink } from '../support/log-sink.js'
import { adaKey, listening } from '../support/service.js'
import { client, hostile, serving, textOf } from '../support/upstreams.js'

async function served (t: Test, upstream: UpstreamOptions): Promise<{ names: string[], log: LogSink, call: Call }> {
  const log = logSink()
  const app = await serving(t, { one: upstream }, { logStream: log, builtIns: false })
  const ada = await client(t, await listening(app), adaKey)
  return {
    names: (await ada.listTools()).tools.map(({ name }) => name),
    log,
    call: async name => textOf(await ada.callTool({ name }))
  }
}
type Call = (name: string) => Promise<string>

/** Items that the log says are not served, with the reason. */
function leftOut (log: LogSink): Array<readonly [unknown, unknown]> {
  return log.lines()
    .filter(({ msg }) => msg === 'an item of an upstream is not served')
    .map(({ item, reason }) => [item, reason] as const)
}

t.test('malformed items of a list are left out and named, and the others are served', async t => {
  const { names, log, call } = await served(t, hostile('malformed'))
  t.ok(names.includes('echo'))
  t.equal(await call('echo'), '{}')
  for (const name of ['no_schema', 'array_schema', 'odd_title']) t.notOk(names.includes(name), name)
  const items = leftOut(log).map(([item]) => item)
  for (const name of ['no_schema', 'array_schema', 'odd_title']) t.ok(items.includes(name), name)
  t.equal(items.filter(item => /^tools\[\d+\]$/.test(String(item))).length, 3, 'those without a name, by their place')
})

t.test('a name that a list has twice is served once and named in the log', async t => {
  const { names, log } = await served(t, hostile('odd-names'))
  t.equal(names.filter(name => name === 'echo').length, 1)
  t.match(leftOut(log).filter(([item]) => item === 'echo'), [['echo', /more than once/]])
})

t.test('a list in 100 pages is served as a whole', async t => {
  const { names } = await served(t, hostile('many', 'pages=10', 'last-cursor='))
  t.equal(names.filter(name => name.startsWith('tool_')).length, 1000)
})

t.test('a list whose cursors go in a circle ends at the first that was there before', async t => {
  const { names } = await served(t, hostile('loops'))
  t.same(names.sort(), ['page_a', 'page_b', 'page_first'])
})

t.test('an answer without a list makes the upstream a missing part', async t => {
  const { names, log } = await served(t, hostile('no-list'))
  t.same(names, [])
  t.match(log.text(), /an upstream is unavailable/)
})

t.test('names of the options that the upstream does not offer are warned of', async t => {
  const { log } = await served(t, {
    ...hostile(), include: ['echo', 'ehco'], exclude: ['dei'], rename: { cuont: 'total', echo: 'say' }
  })
  const warned = log.lines().filter(({ msg }) => /does not offer an item that its options name/.test(String(msg)))
  t.match(warned, [
    { item: 'ehco', advice: /`include`/ }, { item: 'dei', advice: /`exclude`/ }, { item: 'cuont', advice: /`rename`/ }
  ])
  t.equal(warned.length, 3)
})

t.test('two items that `rename` gives one name stop the start', async t => {
  const rename = { echo: 'same', count: 'same' }
  await t.rejects(serving(t, { one: { ...hostile(), rename } }), {
    message: /Upstream "one": "echo" and "count" would both be the tool "same"; .*`rename`/
  })
  await t.rejects(serving(t, { one: { ...hostile(), rename: { echo: 'count' } } }), {
    message: /Upstream "one": "echo" and "count" would both be the tool "count"/
  })
})

t.test('a flood of malformed items is bounded in the log', async t => {
  const renamed = Array.from({ length: 1000 }, (_, n) => [`tool_${n}`, `bad name ${n}`] as const)
  const { log } = await served(t, { ...hostile('many'), rename: Object.fromEntries(renamed) })
  t.equal(leftOut(log).length, 99, 'one of a hundred warnings says that the list is cut')
  t.match(log.text(), /more faults than are logged/)
})
