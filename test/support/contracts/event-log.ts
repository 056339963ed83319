/** Tests that every event log must pass. `open` returns two instances of one log, or one instance twice. */
import type { Test } from 'tap'
import type { EventBoundsOptions } from '../../../src/mcp/legacy/sessions/event-bounds.js'
import type { EventLog, KeptStream } from '../../../src/mcp/legacy/sessions/event-log.js'

export type OpenLogs = (bounds?: EventBoundsOptions) => Promise<readonly [EventLog, EventLog]>

function event (n: number, size = 1): { n: number, message: string } {
  return { n, message: JSON.stringify({ jsonrpc: '2.0', id: n, result: { text: 'x'.repeat(size) } }) }
}

const numbers = (kept: KeptStream | undefined): number[] | undefined => kept?.events.map(({ n }) => n)

export async function eventLogContract (t: Test, open: OpenLogs): Promise<void> {
  t.test('a stream of one instance can be read on the other', async t => {
    const [a, b] = await open()
    a.open('s', 'a-1', [7, 'x'], true)
    t.same(await a.read('s', 'a-1', 0), { requests: [7, 'x'], isOver: false, events: [] })
    for (let n = 1; n <= 3; n++) a.append('s', 'a-1', event(n))
    await a.read('s', 'a-1', 0)
    t.same(await b.read('s', 'a-1', 1), { requests: [7, 'x'], isOver: false, events: [event(2), event(3)] })
    a.finish('s', 'a-1')
    await a.read('s', 'a-1', 0)
    t.same(await b.read('s', 'a-1', 3), { requests: [7, 'x'], isOver: true, events: [] })
  })

  t.test('an unknown stream, session or event reads nothing', async t => {
    const [a, b] = await open()
    a.open('s', 'a-1', [1], true)
    a.append('s', 'a-1', event(1))
    await a.read('s', 'a-1', 0)
    t.equal(await b.read('s', 'a-2', 0), undefined)
    t.equal(await b.read('other', 'a-1', 0), undefined)
    t.equal(await b.read('s', 'a-1', 2), undefined)
    a.drop('s')
    await a.read('s', 'a-1', 0)
    t.equal(await b.read('s', 'a-1', 0), undefined)
  })

  t.test('delivered events are dropped first at the limit', async t => {
    const [a, b] = await open({ maxBytes: 1000, maxEvents: 40 })
    answer(a, 1, 5000, false)
    answer(a, 2, 600, true)
    answer(a, 3, 600, true)
    answer(a, 4, 1, true)
    await a.read('s', 'a-4', 0)
    t.same(numbers(await b.read('s', 'a-1', 0)), [1], 'an undelivered answer outlives delivered ones')
    t.equal(await b.read('s', 'a-2', 0), undefined)
    t.same(numbers(await b.read('s', 'a-3', 0)), [1])
    a.deliver('s', 'a-1')
    for (let k = 5; k < 9; k++) answer(a, k, 300, true)
    await a.read('s', 'a-8', 0)
    t.equal(await b.read('s', 'a-1', 0), undefined)
  })

  t.test('undelivered answers are kept up to a limit', async t => {
    const [a, b] = await open({ maxBytes: 1000 })
    for (let k = 1; k <= 100; k++) answer(a, k, 1000, false)
    await a.read('s', 'a-100', 0)
    const kept = []
    for (let k = 1; k <= 100; k++) if (await b.read('s', `a-${k}`, 0) !== undefined) kept.push(k)
    t.ok(kept.length >= 10 && kept.length <= 16, `${kept.length} are kept`)
    t.equal(kept.at(-1), 100)
  })

  t.test('a stream can be read only from events that are kept', async t => {
    const [a, b] = await open({ maxBytes: 100, maxEvents: 1000 })
    a.open('s', 'a-1', [1], true)
    for (let n = 1; n <= 10; n++) a.append('s', 'a-1', event(n, 300))
    await a.read('s', 'a-1', 10)
    t.equal(await b.read('s', 'a-1', 0), undefined)
    t.same(numbers(await b.read('s', 'a-1', 9)), [10])
  })
}

/** Writes the answer of a call. Unless it was `delivered`, its caller may resume the stream. */
function answer (log: EventLog, k: number, size: number, delivered: boolean): void {
  const name = `a-${k}`
  log.open('s', name, [k], true)
  if (delivered) log.deliver('s', name)
  log.append('s', name, event(1, size))
  log.finish('s', name)
}
