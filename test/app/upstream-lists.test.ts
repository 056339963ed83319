/** Lists of an upstream: read page by page, bounded, and served without malformed items. */
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

/** The items that the log reports as not served, with the reasons. */
function leftOut (log: LogSink): Array<readonly [unknown, unknown]> {
  return log.lines()
    .filter(({ msg }) => msg === 'an item of an upstream is not served')
    .map(({ item, reason }) => [item, reason] as const)
}

t.test('malformed items of a list are omitted and logged', async t => {
  const { names, log, call } = await served(t, hostile('malformed'))
  t.ok(names.includes('echo'))
  t.equal(await call('echo'), '{}')
  for (const name of ['no_schema', 'array_schema', 'odd_title']) t.notOk(names.includes(name), name)
  const items = leftOut(log).map(([item]) => item)
  for (const name of ['no_schema', 'array_schema', 'odd_title']) t.ok(items.includes(name), name)
  t.equal(items.filter(item => /^tools\[\d+\]$/.test(String(item))).length, 3, 'unnamed items by their index')
})

t.test('a repeated name in a list is served once and logged', async t => {
  const { names, log } = await served(t, hostile('odd-names'))
  t.equal(names.filter(name => name === 'echo').length, 1)
  t.match(leftOut(log).filter(([item]) => item === 'echo'), [['echo', /more than once/]])
})

t.test('a list in 100 pages is served as a whole', async t => {
  const { names } = await served(t, hostile('many', 'pages=10', 'last-cursor='))
  t.equal(names.filter(name => name.startsWith('tool_')).length, 1000)
})

t.test('a list with circular cursors ends at the first repeated cursor', async t => {
  const { names } = await served(t, hostile('loops'))
  t.same(names.sort(), ['page_a', 'page_b', 'page_first'])
})

t.test('an upstream that answers without a list is unavailable', async t => {
  const { names, log } = await served(t, hostile('no-list'))
  t.same(names, [])
  t.match(log.text(), /an upstream is unavailable/)
})

t.test('unknown names in the options of an upstream are logged', async t => {
  const { log } = await served(t, {
    ...hostile(), include: ['echo', 'ehco'], exclude: ['dei'], rename: { cuont: 'total', echo: 'say' }
  })
  const warned = log.lines().filter(({ msg }) => /does not offer an item that its options name/.test(String(msg)))
  t.match(warned, [
    { item: 'ehco', advice: /`include`/ }, { item: 'dei', advice: /`exclude`/ }, { item: 'cuont', advice: /`rename`/ }
  ])
  t.equal(warned.length, 3)
})

t.test('`rename` to the name of another item stops the start', async t => {
  const rename = { echo: 'same', count: 'same' }
  await t.rejects(serving(t, { one: { ...hostile(), rename } }), {
    message: /Upstream "one": "echo" and "count" would both be the tool "same"; .*`rename`/
  })
  await t.rejects(serving(t, { one: { ...hostile(), rename: { echo: 'count' } } }), {
    message: /Upstream "one": "echo" and "count" would both be the tool "count"/
  })
})

t.test('log lines for malformed items are limited', async t => {
  const renamed = Array.from({ length: 1000 }, (_, n) => [`tool_${n}`, `bad name ${n}`] as const)
  const { log } = await served(t, { ...hostile('many'), rename: Object.fromEntries(renamed) })
  t.equal(leftOut(log).length, 99, 'the last of a hundred warnings says that more are omitted')
  t.match(log.text(), /more faults than are logged/)
})
