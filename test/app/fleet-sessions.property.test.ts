/**
 * I8: whatever clients of a fleet do at once, every event reaches its own reader once and in order, every
 * answer its own call.
 */
import fc from 'fast-check'
import t from 'tap'
import { redisServer, withoutRedis } from '../support/redis.js'
import { type Headers, type Reading, begin, listen, openSession, settles } from '../support/session.js'
import { type Instance, ask, count, sessionFleet, waiting } from '../support/session-fleet.js'
import { callOf, eventsOf, post, withToken } from '../support/service.js'
import { until } from '../support/until.js'

type Deed = 'counts' | 'asks' | 'cancels' | 'answers at once'

interface Step {
  readonly who: 'ada' | 'eve'
  readonly deed: Deed
  /** The instance of the call, and of each of what follows. */
  readonly at: readonly [number, number, number]
  readonly to: number
  /** After so many events the connection is cut, where there are as many. */
  readonly cuts: readonly [number, number]
  /** The handler closes the stream itself after so many. */
  readonly leave: number
}

const place = fc.nat(2)
const step: fc.Arbitrary<Step> = fc.record({
  who: fc.constantFrom('ada', 'eve'),
  deed: fc.constantFrom('counts', 'counts', 'asks', 'cancels', 'answers at once'),
  at: fc.tuple(place, place, place),
  to: fc.integer({ min: 1, max: 25 }),
  cuts: fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 })),
  leave: fc.integer({ min: 1, max: 40 })
})

/** As a client takes them: an event counts once it is complete. */
function complete (reading: Reading): { events: ReturnType<typeof eventsOf>, lastId: string | undefined } {
  const text = reading.text()
  const whole = text.slice(0, text.lastIndexOf('\n\n') + 2)
  return { events: eventsOf(whole), lastId: [...whole.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1] }
}

t.test('I8: sessions under concurrent operations', { skip: withoutRedis, timeout: 240_000 }, async t => {
  const redis = await redisServer(t)
  const fleet = await sessionFleet(t, redis, 3, 'I8:', {
    tools: [count, ask, waiting().tool],
    sessions: { maxPerPrincipal: 1000 },
    maxStreamsPerPrincipal: 1000
  })
  const at = (n: number): Instance => {
    const instance = fleet[n]
    if (instance === undefined) throw new Error('no such instance')
    return instance
  }

  /** Calls, and comes back wherever the connection was cut, until there is the answer. */
  async function counted (
    { at: places, to, cuts, leave }: Step,
    session: Headers,
    id: string
  ): Promise<ReturnType<typeof eventsOf>> {
    const events: ReturnType<typeof eventsOf> = []
    let lastId: string | undefined
    for (let tries = 0; tries < 10; tries++) {
      const cut = new AbortController()
      const { url } = at(places[tries % 3] ?? 0)
      const reading =
        tries === 0
          ? await begin(url, callOf('count', { to, everyMs: 2, leave }, id), session, cut.signal)
          : await listen(url, session, lastId, cut.signal)
      if (reading.response.status !== 200) { throw new Error(`${reading.response.status} ${await reading.ended}`) }
      const enough = cuts[tries]
      if (enough !== undefined) {
        let isOver = false
        reading.ended
          .finally(() => {
            isOver = true
          })
          .catch(() => {})
        await until(() => isOver || complete(reading).events.length >= enough)
        cut.abort()
      }
      await settles(reading.ended)
      const seen = complete(reading)
      events.push(...seen.events)
      lastId = seen.lastId ?? lastId
      if (events.at(-1)?.id === id) return events
    }
    throw new Error(`no answer to ${id} after ten tries: ${JSON.stringify(events)}`)
  }

  async function check (step: Step, session: Headers, id: string): Promise<void> {
    const [first, second] = [at(step.at[0]), at(step.at[1])]
    switch (step.deed) {
      case 'counts': {
        const events = await counted(step, session, id)
        const said = events.slice(0, -1).map(({ params }) => params.data)
        if (said.join() !== Array.from({ length: step.to }, (_, n) => n + 1).join()) {
          throw new Error(`${id} heard ${said.join()} of ${step.to}`)
        }
        if (events.at(-1)?.result?.content[0].text !== `counted to ${step.to}`) {
          throw new Error(`${id} was answered ${JSON.stringify(events.at(-1))}`)
        }
        return
      }
      case 'asks': {
        const call = await begin(first.url, callOf('ask', {}, id), session)
        await until(() => call.messages().length > 0)
        const { status } = await post(
          second.app,
          { jsonrpc: '2.0', id: call.messages()[0]?.id, result: { action: 'accept', content: { name: id } } },
          session
        )
        if (status !== 202) throw new Error(`the answer to ${id} was refused: ${status}`)
        await settles(call.ended)
        const answer = call.messages().at(-1)
        if (answer?.id !== id || answer.result.content[0].text !== `jwt:${step.who} accept ${id}`) {
          throw new Error(`${id} was answered ${JSON.stringify(answer)}`)
        }
        return
      }
      case 'cancels': {
        const call = await begin(first.url, callOf('wait', {}, id), session)
        await until(() => call.messages().length > 0)
        await post(
          second.app,
          { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } },
          session
        )
        if (!await settles(call.ended)) throw new Error(`${id} was not cancelled`)
        if (call.messages().length !== 1) throw new Error(`${id} was answered: ${call.text()}`)
        return
      }
      default: {
        const { body } = await post(first.app, callOf('whoami', {}, id), session)
        if (body.id !== id || body.result.structuredContent.id !== `jwt:${step.who}`) {
          throw new Error(`${id} was answered ${JSON.stringify(body)}`)
        }
      }
    }
  }

  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async steps => {
    const sessions = {
      ada: await openSession(at(0).app, { credential: withToken('ada'), capabilities: { elicitation: {} } }),
      eve: await openSession(at(1).app, { credential: withToken('eve'), capabilities: { elicitation: {} } })
    }
    await Promise.all(steps.map(async (step, n) => { await check(step, sessions[step.who], `${step.who}-${n}`) }))
    for (const session of Object.values(sessions)) {
      const { statusCode } = await at(2).app.inject({ method: 'DELETE', url: '/mcp', headers: session })
      if (statusCode !== 200) throw new Error(`DELETE: ${statusCode}`)
    }
  }), { numRuns: 8, endOnFailure: true })
  t.pass()
})
