/**
 * I8: under random concurrent operations and a kill, every answer and event reaches its own call once and
 * in order.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  type Call,
  FleetClients,
  isOver,
  messagesOf,
  type Place,
  questionOf,
  type User
} from '../support/fleet-clients.js'
import { fleetProcess, nth } from '../support/fleet-processes.js'
import { redisServer, withoutRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const env = {
  REDIS_TIMEOUT_MS: '60000',
  STREAM_MAX_PER_CALLER: '1000',
  SESSION_MAX_PER_CALLER: '1000'
}
const size = 3
const length = 100
/** How many operations run at once. */
const width = 4
const users: readonly User[] = ['ada', 'eve']

const operation = fc.record({
  kind: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('count', 'ask', 'resume') },
    { weight: 2, arbitrary: fc.constantFrom('answer', 'drop', 'whoami') },
    { weight: 1, arbitrary: fc.constantFrom('wait', 'cancel', 'delete', 'trespass') }
  ),
  /** Selects one of the sessions or calls that the operation can use. */
  which: fc.nat(1000),
  /** The instance that gets the request. */
  at: fc.nat(size - 1),
  events: fc.integer({ min: 1, max: 40 }),
  /** The handler closes the stream itself after this many events. */
  leave: fc.integer({ min: 0, max: 80 })
})
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

const scenario = fc.record({
  operations: fc.array(operation, { minLength: length, maxLength: length }),
  /** The instance to kill, and the operation before which it is killed. */
  kill: fc.record({ before: fc.integer({ min: 25, max: 50 }), at: fc.nat(size - 1) })
})

/**
 * True once this machine has paused for so long that the three-second lease of an instance may have expired.
 */
function pauses (t: Test): () => boolean {
  let [last, hasPaused] = [Date.now(), false]
  const look = (): boolean => {
    const now = Date.now()
    hasPaused ||= Math.abs(now - last) > 1500
    last = now
    return hasPaused
  }
  const timer = setInterval(look, 100)
  t.teardown(() => { clearInterval(timer) })
  return look
}

/** Does one operation on a suitable session or call. Does nothing if there is none. */
async function run ({ kind, which, at, events, leave }: Operation, clients: FleetClients): Promise<void> {
  const session = nth(clients.sessions.filter(({ isDeleted }) => !isDeleted), which)
  const pick = (canBe: (call: Call) => boolean): Call | undefined => {
    const calls = clients.calls.filter(call => !call.isBusy && !call.session.isDeleted && !isOver(call) && canBe(call))
    return calls.length === 0 ? undefined : nth(calls, which)
  }
  const using = async (call: Call | undefined, use: (call: Call) => Promise<void>): Promise<void> => {
    if (call === undefined) return
    call.isBusy = true
    await use(call)
    call.isBusy = false
  }
  switch (kind) {
    case 'count':
    case 'ask':
    case 'wait':
      await clients.call(session, kind, at, events, leave)
      return
    case 'whoami':
      await clients.whoami(session, at)
      return
    case 'answer':
      await using(pick(call => questionOf(call) !== undefined), async call => { await clients.answer(call, at) })
      return
    case 'cancel':
      await using(pick(() => true), async call => { await clients.cancel(call, at) })
      return
    case 'drop':
      await using(pick(({ reading }) => reading !== undefined), async call => { await clients.drop(call) })
      return
    case 'resume':
      await using(pick(() => true), async call => { await clients.resume(call, at) })
      return
    case 'trespass':
      await using(pick(() => true), async call => {
        const other = clients.sessions.find(({ user, isDeleted }) => user !== call.session.user && !isDeleted)
        if (other !== undefined) await clients.trespass(call, other, at)
      })
      return
    default:
      // Opens a session first, because concurrent operations need one.
      await clients.open(session.user, at)
      if (!session.isDeleted) await clients.delete(session, at)
  }
}

/** True if a call got its result. Throws on messages of other calls, and on gaps or repeats. */
function verify (call: Call, hasPaused: boolean): boolean {
  const { id, session, tool, home, name, from, to, isCancelled, refused } = call
  const messages = messagesOf(call)
  const answers = messages.filter(({ method }) => method === undefined)
  const fail = (what: string): never => {
    throw new Error(`${name}: ${what}: ${JSON.stringify({ ...call, home: home.at, received: messages })}`)
  }
  const isExcused = home.isKilled || session.isDeleted || hasPaused
  if (refused !== undefined && !isExcused) fail(`refused with ${refused}`)
  if (answers.length > 1) fail('several answers')
  const [answer] = answers
  if (answer !== undefined && messages.at(-1) !== answer) fail('events after the answer')

  const logged = messages.flatMap(({ method, params }) => method === 'notifications/message' ? [params.data] : [])
  const expected = tool === 'count' ? Array.from({ length: to - from + 1 }, (_, n) => from + n) : []
  if (tool === 'wait') expected.push('waiting' as never)
  if (logged.some((data, n) => data !== expected[n])) fail('a foreign, missing or repeated event')
  if (messages.filter(({ method }) => method === 'elicitation/create').length > 1) fail('a repeated question')

  if (answer === undefined) return isCancelled || isExcused ? false : fail('no answer')
  if (answer.id !== id) fail('the answer of another call')
  if (answer.error !== undefined || answer.result.isError === true) return isExcused ? false : fail('an error')
  const accepted = `jwt:${session.user} accept`
  // Question ids are unique only within a session, so an answer to a foreign question may fit one's own.
  const texts = tool === 'count' ? [`counted to ${to}`] : [`${accepted} ${name}`, `${accepted} stolen by ${session.user}`]
  if (!texts.includes(answer.result.content[0].text) || tool === 'wait') fail('another result')
  if (logged.length < expected.length) fail('missing events')
  return true
}

t.test('I8: sessions under concurrent operations and a kill', { skip: withoutRedis, timeout: 280_000 }, async t => {
  const redis = await redisServer(t)
  const start = async (): Promise<Place> => ({ ...await fleetProcess(t, redis.url, env), isKilled: false })
  const places = await Promise.all(Array.from({ length: size }, start))
  const hasPaused = pauses(t)
  const seen = { results: 0, killed: 0 }

  /** Kills an instance while a call waits for an answer. Resolves once the instance is replaced. */
  async function kill (n: number, clients: FleetClients): Promise<void> {
    const place = nth(places, n)
    const call = await clients.call(nth(clients.sessions.filter(({ isDeleted }) => !isDeleted), n), 'ask', n)
    await until(() => questionOf(call) !== undefined || isOver(call))
    place.isKilled = true
    place.child.kill('SIGKILL')
    await place.ended
    places[n] = await start()
  }

  await fc.assert(fc.asyncProperty(scenario, async ({ operations, kill: { before, at } }) => {
    const clients = new FleetClients(places, hasPaused)
    for (const [n, user] of users.entries()) await clients.open(user, n)
    const left = operations.entries()
    await Promise.all(Array.from({ length: width }, async () => {
      for (const [n, one] of left) await (n === before ? kill(at, clients) : run(one, clients))
    }))
    await Promise.all(clients.calls.map(async (call, n) => { await clients.settle(call, n) }))
    for (const call of clients.calls) {
      if (verify(call, hasPaused())) seen.results += 1
      else if (call.home.isKilled) seen.killed += 1
    }
    await Promise.all(clients.sessions.map(async (session, n) => {
      if (!session.isDeleted) await clients.delete(session, n)
    }))
  }), { numRuns: 2, endOnFailure: true, includeErrorInReport: true })
  t.comment(seen)
  t.ok(seen.results >= 10, 'calls that got their result')
  t.ok(seen.killed >= 2, 'calls whose instance was killed')
})
