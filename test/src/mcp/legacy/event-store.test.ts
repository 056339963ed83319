/** What is kept of the streams of a session, and what is forgotten first. */
import t from 'tap'
import { Post } from '../../../../src/mcp/legacy/open-calls.js'
import { SessionEvents } from '../../../../src/mcp/legacy/event-store.js'

type Message = Parameters<SessionEvents['storeEvent']>[1]

function answer (id: number, size = 1): Message {
  return { jsonrpc: '2.0', id, result: { text: 'x'.repeat(size) } }
}

/** What the SDK stores when a stream opens. */
const opening = (): Message => ({}) as unknown as Message

interface Stored { readonly post: Post, readonly first: string }

/** A call that is answered, and whose caller may come back for it unless it was `delivered`. */
async function answered (events: SessionEvents, id: number, { size = 1, delivered = false } = {}): Promise<Stored> {
  const post = new Post()
  const first = await events.storeEvent(`stream-${id}`, opening())
  const message = answer(id, size)
  events.weigh(message, post)
  await events.storeEvent(`stream-${id}`, message)
  post.isDelivered = delivered
  return { post, first }
}

t.test('what was delivered is forgotten when there is more of it than is kept', async t => {
  const events = new SessionEvents({ maxBytes: 1000 })
  const [one, two] = [await answered(events, 1, { size: 600, delivered: true }), await answered(events, 2, { size: 600, delivered: true })]
  await answered(events, 3)
  t.equal(events.find(one.first), undefined)
  t.equal(events.find(two.first)?.after(two.first).length, 1)
})

t.test('what a caller may come back for outlives it', async t => {
  const events = new SessionEvents({ maxBytes: 1000, maxEvents: 4 })
  const { first, post } = await answered(events, 1, { size: 5000 })
  for (let id = 2; id < 20; id++) await answered(events, id, { size: 300, delivered: true })
  t.equal(events.find(first)?.after(first).length, 1)
  post.isDelivered = true
  for (let id = 20; id < 24; id++) await answered(events, id, { size: 300, delivered: true })
  t.equal(events.find(first), undefined)
})

t.test('however many come back for nothing, what is kept for them has a bound', async t => {
  const events = new SessionEvents({ maxBytes: 1000 })
  const stored: Stored[] = []
  for (let id = 1; id <= 100; id++) stored.push(await answered(events, id, { size: 1000 }))
  const kept = stored.filter(({ first }) => events.find(first) !== undefined)
  t.ok(kept.length >= 10 && kept.length <= 16, `${kept.length} are kept`)
  t.equal(kept.at(-1), stored.at(-1))
})

t.test('a message that JSON cannot hold is not stored', async t => {
  const events = new SessionEvents()
  t.throws(() => { events.weigh({ jsonrpc: '2.0', id: 1, result: { a: 1n } }) }, TypeError)
})
