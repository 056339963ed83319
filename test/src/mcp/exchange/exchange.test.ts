/** One message from its arrival to its answer: the deadline, the ways to end early, and silence after the end. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { CancelledError, RateLimitedError, UnauthenticatedError } from '../../../../src/errors.js'
import { type Caller, Exchange, Suspended } from '../../../../src/mcp/exchange/exchange.js'
import { freezePrincipal } from '../../../../src/principal/principal.js'

interface Line { readonly level: string, readonly fields: Record<string, unknown> }

function caller (lines: Line[] = [], charged: number[] = []): Caller {
  const line = (level: string) => (fields: object) => { lines.push({ level, fields: { ...fields } }) }
  return {
    principal: freezePrincipal({ id: 'jwt:ada', role: 'user', scopes: [], method: 'jwt' }),
    requestId: 'r-1',
    log: { info: line('info'), error: line('error') },
    budget: async () => null,
    charge: async cost => { charged.push(cost) }
  }
}

const never = async (): Promise<never> => await new Promise<never>(() => {})

t.test('work that is done in time is the answer', async t => {
  const exchange = new Exchange(caller(), 1000)
  t.equal(await exchange.race(Promise.resolve('done')), 'done')
  exchange.end()
})

t.test('what never ends is ended at the deadline', async t => {
  const exchange = new Exchange(caller(), 10)
  const { signal } = exchange
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
  t.equal(signal.aborted, true)
  t.equal(exchange.ended, true)
})

t.test('an item has a deadline of its own, and a cost beyond the first', async t => {
  const charged: number[] = []
  const exchange = new Exchange(caller([], charged), 60_000)
  await exchange.enter({ name: 'x', deadlineMs: 10, cost: 5 })
  t.same(charged, [4])
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
})

t.test('who speaks before the answer is ended with the credential, not at the deadline', async t => {
  const expiresAt = Date.now() + 20
  const over = () => Date.now() < expiresAt ? undefined : new UnauthenticatedError()
  const principal = freezePrincipal({ id: 'jwt:ada', role: 'user', scopes: [], method: 'jwt', expiresAt })
  const exchange = new Exchange({ ...caller(), principal, over }, 60_000)
  exchange.speak()
  t.equal(exchange.isStreaming, true)
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_UNAUTHENTICATED' })
})

t.test('who says nothing is answered after the credential, too', async t => {
  const principal = freezePrincipal({ id: 'jwt:ada', role: 'user', scopes: [], method: 'jwt', expiresAt: Date.now() + 5 })
  const exchange = new Exchange({ ...caller(), principal, over: () => new UnauthenticatedError() }, 50)
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
})

t.test('who waits for the caller does not wait at the expense of the deadline', async t => {
  const exchange = new Exchange(caller(), 40)
  t.equal(await exchange.whileAsking(60_000, sleep(80, 'yes')), 'yes')
  t.equal(exchange.ended, false)
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
})

t.test('two questions at once stop the deadline until both are answered, and it goes on from where it was', async t => {
  const exchange = new Exchange(caller(), 60)
  const [first, second] = [sleep(10, 'one'), sleep(200, 'two')]
  t.same(await Promise.all([exchange.whileAsking(60_000, first), exchange.whileAsking(60_000, second)]), ['one', 'two'])
  t.equal(exchange.ended, false)
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
})

t.test('questions that are answered at once leave the deadline where it was', async t => {
  const exchange = new Exchange(caller(), 40)
  await Promise.all([exchange.whileAsking(60_000, Promise.resolve()), exchange.whileAsking(60_000, Promise.resolve())])
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
})

t.test('who is asked too long is given up', async t => {
  const exchange = new Exchange(caller(), 60_000)
  await t.rejects(exchange.race(exchange.whileAsking(10, never())), { code: 'MCP_ERR_DEADLINE' })
})

t.test('a caller that left before its turn is heard of when it comes', async t => {
  const exchange = new Exchange(caller(), 60_000)
  exchange.abort(new CancelledError())
  let heard: unknown
  exchange.onAbort(({ code }) => { heard = code })
  t.equal(heard, 'MCP_ERR_CANCELLED')
  t.equal(exchange.signal.aborted, true, 'also a signal that is asked for only now')
})

t.test('only the first end counts', async t => {
  const exchange = new Exchange(caller(), 60_000)
  const heard: string[] = []
  exchange.onAbort(({ code }) => { heard.push(code) })
  exchange.abort(new CancelledError())
  exchange.abort(new RateLimitedError())
  exchange.suspend({})
  t.same(heard, ['MCP_ERR_CANCELLED'])
})

t.test('a suspended exchange ends its handler with the question', async t => {
  const exchange = new Exchange(caller(), 60_000)
  const race = exchange.race(never())
  exchange.suspend({ resultType: 'input_required' })
  t.same(await race.catch((reason: unknown) => reason), new Suspended({ resultType: 'input_required' }))
  t.equal(exchange.ended, true)
})

t.test('a refusal is logged as one, a fault with its cause under the request id', async t => {
  const lines: Line[] = []
  const exchange = new Exchange(caller(lines), 60_000)
  exchange.end()
  exchange.refuse(new RateLimitedError({ reason: 'used up' }))
  const cause = new Error('the database is at 10.0.0.1')
  t.equal(exchange.refuse(cause).code, 'MCP_ERR_INTERNAL')
  t.match(lines, [
    { level: 'info', fields: { code: 'MCP_ERR_RATE_LIMITED', reason: 'used up', requestId: 'r-1' } },
    { level: 'error', fields: { code: 'MCP_ERR_INTERNAL', err: cause, requestId: 'r-1', principal: 'jwt:ada' } }
  ])
})

for (const [what, thrown] of [
  ['null', null], ['undefined', undefined], ['text', 'x'], ['a symbol', Symbol('x')], ['an object without a prototype', Object.create(null)],
  ['a proxy that throws', new Proxy({}, { get () { throw new Error('no') }, getPrototypeOf () { throw new Error('no') } })]
] as const) {
  t.test(`${what}, thrown, is a fault like any other`, async t => {
    const lines: Line[] = []
    const exchange = new Exchange(caller(lines), 60_000)
    exchange.end()
    t.equal(exchange.refuse(thrown).code, 'MCP_ERR_INTERNAL')
    t.match(lines, [{ level: 'error', fields: { err: Error } }])
  })
}
