/** An exchange from request to answer: its deadline, its early ends and silence after the end. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { CancelledError, RateLimitedError, UnauthenticatedError } from '../../../../src/errors.js'
import { Exchange } from '../../../../src/mcp/exchange/exchange.js'
import { Suspended } from '../../../../src/mcp/exchange/suspended.js'
import type { Caller } from '../../../../src/mcp/exchange/caller.js'
import { RunningCalls } from '../../../../src/mcp/exchange/running-calls.js'
import { freezePrincipal } from '../../../../src/principal/principal.js'
import { until } from '../../../support/until.js'

function caller (charged: number[] = []): Caller {
  return {
    principal: freezePrincipal({ id: 'jwt:ada', role: 'user', scopes: [], method: 'jwt' }),
    requestId: 'r-1',
    budget: async () => null,
    charge: async cost => { charged.push(cost) }
  }
}

const never = async (): Promise<never> => await new Promise<never>(() => {})

t.test('an exchange answers with the result of its work', async t => {
  const exchange = new Exchange(caller(), 1000)
  t.equal(await exchange.race(Promise.resolve('done')), 'done')
  exchange.end()
})

t.test('an exchange that never ends is ended at the deadline', async t => {
  const exchange = new Exchange(caller(), 10)
  const { signal } = exchange
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
  t.equal(signal.aborted, true)
  t.equal(exchange.ended, true)
})

t.test('an item has its own deadline and an additional cost', async t => {
  const charged: number[] = []
  const exchange = new Exchange(caller(charged), 60_000)
  await exchange.enter({ name: 'x', deadlineMs: 10, cost: 5 })
  t.same(charged, [4])
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
})

t.test('a call that sent a message ends with the credential, not at its deadline', async t => {
  const expiresAt = Date.now() + 20
  const over = () => Date.now() < expiresAt ? undefined : new UnauthenticatedError()
  const principal = freezePrincipal({ id: 'jwt:ada', role: 'user', scopes: [], method: 'jwt', expiresAt })
  const exchange = new Exchange({ ...caller(), principal, over }, 60_000)
  exchange.speak()
  t.equal(exchange.isStreaming, true)
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_UNAUTHENTICATED' })
})

t.test('a silent call ends with the credential of its caller, not at its deadline', async t => {
  const expiresAt = Date.now() + 20
  const over = () => Date.now() < expiresAt ? undefined : new UnauthenticatedError()
  const principal = freezePrincipal({ id: 'jwt:ada', role: 'user', scopes: [], method: 'jwt', expiresAt })
  const exchange = new Exchange({ ...caller(), principal, over }, 60_000)
  await exchange.enter({ name: 'x', deadlineMs: 120_000 })
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_UNAUTHENTICATED' })
  t.equal(exchange.signal.aborted, true)
})

t.test('the deadline is suspended while the caller is asked', async t => {
  const exchange = new Exchange(caller(), 40)
  t.equal(await exchange.whileAsking(60_000, sleep(80, 'yes')), 'yes')
  t.equal(exchange.ended, false)
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
})

t.test('two open questions suspend the deadline until both are answered', async t => {
  const exchange = new Exchange(caller(), 60)
  const [first, second] = [sleep(10, 'one'), sleep(200, 'two')]
  t.same(await Promise.all([exchange.whileAsking(60_000, first), exchange.whileAsking(60_000, second)]), ['one', 'two'])
  t.equal(exchange.ended, false)
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
})

t.test('questions that are answered at once do not change the deadline', async t => {
  const exchange = new Exchange(caller(), 40)
  await Promise.all([exchange.whileAsking(60_000, Promise.resolve()), exchange.whileAsking(60_000, Promise.resolve())])
  await t.rejects(exchange.race(never()), { code: 'MCP_ERR_DEADLINE' })
})

t.test('a question that is open too long ends the exchange', async t => {
  const exchange = new Exchange(caller(), 60_000)
  await t.rejects(exchange.race(exchange.whileAsking(10, never())), { code: 'MCP_ERR_DEADLINE' })
})

t.test('a caller that disconnected before its turn is noticed', async t => {
  const exchange = new Exchange(caller(), 60_000)
  exchange.abort(new CancelledError())
  let heard: unknown
  exchange.onAbort(({ code }) => { heard = code })
  t.equal(heard, 'MCP_ERR_CANCELLED')
  t.equal(exchange.signal.aborted, true, 'a signal that is read afterwards is aborted too')
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

t.test('suspending an exchange aborts its handler', async t => {
  const exchange = new Exchange(caller(), 60_000)
  const race = exchange.race(never())
  exchange.suspend({ resultType: 'input_required' })
  t.same(await race.catch((reason: unknown) => reason), new Suspended({ resultType: 'input_required' }))
  t.equal(exchange.ended, true)
})

t.test('refuse keeps the code, and a fault keeps its cause for the log', async t => {
  const refused = new Exchange(caller(), 60_000)
  refused.refuse(new RateLimitedError({ reason: 'used up' }))
  refused.end()
  t.match(
    { code: refused.why?.code, outcome: refused.outcome, fault: refused.fault },
    { code: 'MCP_ERR_RATE_LIMITED', outcome: 'MCP_ERR_RATE_LIMITED', fault: undefined }
  )
  const faulty = new Exchange(caller(), 60_000)
  const cause = new Error('the database is at 10.0.0.1')
  t.equal(faulty.refuse(cause).code, 'MCP_ERR_INTERNAL')
  faulty.end()
  t.equal(faulty.fault, cause)
})

t.test('failTool is not a refusal and keeps its cause', async t => {
  const exchange = new Exchange(caller(), 60_000)
  const cause = new Error('a disk is full')
  exchange.failTool({ cause })
  exchange.end()
  t.same(
    [exchange.refusal, exchange.outcome, exchange.why?.code, exchange.fault],
    [undefined, 'tool-error', 'MCP_ERR_INTERNAL', cause]
  )
})

t.test('whenEnded calls back once, at once if already ended', async t => {
  const exchange = new Exchange(caller(), 60_000)
  let heard = 0
  exchange.whenEnded(() => { heard += 1 })
  exchange.end()
  exchange.end()
  t.equal(heard, 0, 'not before the result is known')
  await until(() => heard > 0)
  t.equal(heard, 1)
  exchange.whenEnded(() => { heard += 1 })
  t.equal(heard, 2)
})

t.test('RunningCalls ends calls by a condition and drops answered ones', async t => {
  const running = new RunningCalls()
  const [one, two] = [1, 2].map(() => new Exchange(caller(), 60_000, { running }))
  t.equal(running.size, 2)
  t.same(running.requestIds(), ['r-1'])
  running.endWhere(call => call === one, () => new UnauthenticatedError())
  t.equal(one?.outcome, 'MCP_ERR_UNAUTHENTICATED')
  two?.end()
  t.equal(running.size, 0)
})

for (const [what, thrown] of [
  ['null', null],
  ['undefined', undefined],
  ['text', 'x'],
  ['a symbol', Symbol('x')],
  ['an object without a prototype', Object.create(null)],
  [
    'a proxy that throws',
    new Proxy(
      {},
      {
        get () {
          throw new Error('no')
        },
        getPrototypeOf () {
          throw new Error('no')
        }
      }
    )
  ]
] as const) {
  t.test(`throwing ${what} is a fault`, async t => {
    const exchange = new Exchange(caller(), 60_000)
    exchange.end()
    t.equal(exchange.refuse(thrown).code, 'MCP_ERR_INTERNAL')
    t.type(exchange.fault, Error)
  })
}
