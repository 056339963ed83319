/** Under concurrent calls of every kind, each answer reaches its own caller, and every slot is returned. */
import { text as textOf } from 'node:stream/consumers'
import fc from 'fast-check'
import t from 'tap'
import { isRefusal } from '../../../src/errors.js'
import { Exchange } from '../../../src/mcp/exchange/exchange.js'
import type { Reply } from '../../../src/mcp/wire/reply.js'
import { type Deed, deeds, late, messageOf, turns } from '../../support/deeds.js'
import { callerOf, principalOf } from '../../support/exchange.js'
import { eventsOf, modern } from '../../support/service.js'
import { watchSlots } from '../../support/slot-watch.js'
import { watchStreams } from '../../support/stream-watch.js'
import { longMs, type Opened, open } from '../../support/bridge.js'

interface Step {
  readonly who: 'ada' | 'bob' | 'eve'
  readonly era: 'legacy' | 'modern'
  readonly id: string | number
  readonly deed: Deed
  /** Turns of the event loop before the call. */
  readonly startsAfter: number
  /** Turns of the event loop that the tool takes. */
  readonly lasts: number
  /** Further calls in the same batch. Only the legacy era has batches. */
  readonly batch: readonly Deed[]
}

const deed = fc.constantFrom(...deeds)
const step: fc.Arbitrary<Step> = fc.record({
  who: fc.constantFrom('ada', 'bob', 'eve'),
  era: fc.constantFrom('legacy', 'modern'),
  // Few ids, so that concurrent calls share them, also within one batch.
  id: fc.constantFrom(1, 2, '1', 'a'),
  deed,
  startsAfter: fc.nat(12),
  lasts: fc.nat(6),
  batch: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(deed, { minLength: 1, maxLength: 4 }) }
  )
})

const leaves: ReadonlySet<Deed> = new Set(['leaves at once', 'leaves later', 'leaves amid a stream', 'cancels'])
const succeeds: ReadonlySet<Deed> = new Set(['returns', 'returns later', 'speaks', 'speaks too late', 'says no'])
const needAda: ReadonlySet<Deed> = new Set(['is for ada', 'reads for ada', 'prompts for ada'])

/** Returns the actions of a step. In a batch no caller disconnects, and none initializes. */
function deedsOf ({ deed, era, batch }: Step): Deed[] {
  if (era === 'modern') return [deed]
  const acts = [deed, ...batch].map(one => one === 'listens' ? 'returns' : one)
  return batch.length === 0 ? acts : acts.map(one => leaves.has(one) || one === 'initializes' ? 'returns' : one)
}

/** Returns true if the slot may hold data of its caller afterwards. Calls of the legacy era use no slot. */
function spoils (deed: Deed, era: Step['era']): boolean {
  return era === 'legacy'
    ? deed === 'initializes' || deed === 'sets a level'
    : leaves.has(deed) || deed === 'never ends' || deed === 'asks'
}

/** Returns true for requests that the SDK of the modern era refuses itself. Their slot may be discarded. */
function maySpoil (deed: Deed, era: Step['era']): boolean {
  return (
    spoils(deed, era) ||
    (era === 'modern' && (deed === 'pings' || deed === 'initializes' || deed === 'sets a level'))
  )
}

/** Plays one step until everything that it started has ended. Returns what went wrong. */
async function play ({ endpoint, running }: Opened, step: Step, number: number): Promise<string[]> {
  await turns(step.startsAfter)
  const { who, era, id } = step
  const acts = deedsOf(step).map((deed, index) => ({ deed, mark: `${who}-${number}-${index}` }))
  const [{ deed: first } = { deed: 'returns' as const }] = acts
  const messages = acts.map(({ deed, mark }) => messageOf(deed, mark, step))
  const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }
  const gone: Array<() => void> = []
  let hasLeft = false
  let charged = 0
  const caller = callerOf(principalOf(who))

  const serve = async (body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Reply> =>
    await endpoint.serve({
      method: 'POST',
      headers,
      body,
      principal: caller.principal,
      open: () => new Exchange(caller, longMs, { running }),
      charge: async cost => {
        charged += cost
      },
      onGone: listener => {
        hasLeft ? listener() : gone.push(listener)
      }
    })

  const first0 = messages[0] ?? {}
  const inModern = (message: Record<string, unknown>): [unknown, Record<string, string>] => {
    const { headers, payload } = modern(
      String(message.method),
      message.params as Record<string, unknown> | undefined,
      id
    )
    const meta = {
      ...(modern('').payload.params?._meta as object),
      'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
      progressToken: acts[0]?.mark
    }
    return [{ ...payload, params: { ...payload.params, _meta: meta } }, headers]
  }
  const [body, headers] = era === 'modern' ? inModern(first0) : [messages.length === 1 ? first0 : messages, {}]

  /** Answers the question of a call and returns the result. */
  const answered = async (asked: string): Promise<string> => {
    const { result } = JSON.parse(asked) as { result?: { requestState?: string } }
    const params = {
      ...(first0.params as object),
      requestState: result?.requestState,
      inputResponses: { [acts[0]?.mark ?? '']: { action: 'accept', content: {} } }
    }
    return (await serve(...inModern({ ...first0, params }))).json ?? ''
  }

  const leave = (): void => {
    hasLeft = true
    for (const listener of gone.splice(0)) listener()
  }
  const reply = serve(body, headers)
  if (first === 'leaves at once') leave()
  if (first === 'cancels') {
    await turns(2)
    if (era === 'legacy') await serve(cancel)
    leave()
  }
  if (first === 'leaves later') turns(step.lasts + 2).then(leave, () => {})
  let text = await reply.then(async ({ json, stream }) => {
    if (first === 'leaves amid a stream') leave()
    if (first === 'listens' && stream !== undefined) {
      await turns(step.lasts)
      const heard = String(stream.read())
      stream.destroy()
      return heard
    }
    return json ?? (stream === undefined ? '' : await textOf(stream))
  }, (error: unknown) => {
    if (isRefusal(error)) return JSON.stringify({ jsonrpc: '2.0', id, error: { code: error.statusCode } })
    throw error
  })
  if (first === 'asks' && era === 'modern') text = await answered(text)
  return [
    ...strangersIn(text, who, acts.map(({ mark }) => mark)),
    ...wrongIn(text, step, acts),
    ...(charged === messages.length - 1 || era === 'modern' ? [] : [`${messages.length} messages took ${charged}`])
  ]
}

/** Returns marks of other calls and names of other callers in an answer. */
function strangersIn (text: string, who: string, own: readonly string[]): string[] {
  const marks = text.match(/(?:ada|bob|eve)-\d+-\d+/g) ?? []
  const names = text.match(/jwt:(?:ada|bob|eve)/g) ?? []
  return [...marks.filter(mark => !own.includes(mark)), ...names.filter(name => name !== `jwt:${who}`)].map(
    found => `${found} in an answer to ${own.join()}`
  )
}

/** True if the answer must contain the call's text, false if it must not, undefined if it may. */
function hasWords (deed: Deed, { who, era }: Step): boolean | undefined {
  if (needAda.has(deed)) return who === 'ada'
  if (deed === 'asks') return era === 'modern'
  if (deed === 'throws') return false
  return succeeds.has(deed) ? true : undefined
}

interface Message {
  readonly id?: unknown
  readonly method?: string
  readonly result?: unknown
  readonly error?: unknown
}

/** Checks that every call has one answer, under its id, and with its own text if it succeeded. */
function wrongIn (text: string, step: Step, acts: ReadonlyArray<{ deed: Deed, mark: string }>): string[] {
  const json = /^[[{]/.test(text) ? JSON.parse(text) as Message | Message[] : eventsOf(text) as Message[]
  const messages = [json].flat()
  const { id, who } = step
  if (text.includes(late)) return [`a word after the answer: ${text.slice(0, 200)}`]
  if (step.era === 'modern' && step.deed === 'listens') {
    return messages.length === 1 &&
      text.includes(
        `"${messages[0]?.method === undefined ? 'id' : 'io.modelcontextprotocol/subscriptionId'}":${JSON.stringify(id)}`
      )
      ? []
      : [`a listener received ${text.slice(0, 200)}`]
  }
  const answers = messages.filter(({ method }) => method === undefined)
  const wrong: string[] = []
  if (answers.length !== acts.length) {
    wrong.push(`${answers.length} answers to ${acts.length} calls: ${text.slice(0, 200)}`)
  }
  if (answers.some(answer => answer.id !== id)) wrong.push(`an answer with another id instead of ${id}`)
  for (const { deed, mark } of acts) {
    const mine = answers.filter(answer => JSON.stringify(answer).includes(`jwt:${who} ${mark};`))
    const expected = hasWords(deed, step)
    if (expected !== undefined && mine.length !== (expected ? 1 : 0)) {
      wrong.push(`${deed}: ${mine.length} answers with its words`)
    }
    if (deed === 'asks' && expected === true && !text.includes('accepted by')) {
      wrong.push(`asks: no answer: ${text.slice(0, 200)}`)
    }
    if (deed !== 'never ends' && acts.length === 1 && text.includes('MCP_ERR_DEADLINE')) {
      wrong.push(`${deed}: nobody answered`)
    }
  }
  return wrong
}

t.test('answers reach their own callers, and slots return to the pool', async t => {
  const [watch, streams] = [watchSlots(), watchStreams()]
  t.teardown(() => { watch.stop(); streams.stop() })
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }), async steps => {
    const opened = open()
    const { endpoint, running } = opened
    const before = watch.spoilt()
    const wrong = (await Promise.all(steps.map(async (step, number) => await play(opened, step, number)))).flat()
    await turns(5)
    wrong.push(...watch.wrong.splice(0))
    const spoilt = watch.spoilt() - before
    const count = (judge: typeof spoils): number =>
      steps.flatMap(step => deedsOf(step).filter(deed => judge(deed, step.era))).length
    if (spoilt < count(spoils) || spoilt > count(maySpoil)) {
      wrong.push(`${spoilt} slots were discarded, not ${count(spoils)} to ${count(maySpoil)}`)
    }
    if (watch.out() > 0) wrong.push(`${watch.out()} slots are still in use`)
    if (streams.open() > 0 || endpoint.streams.size > 0) {
      wrong.push(`${streams.open()} streams are open, ${endpoint.streams.size} of them counted`)
    }
    const pending = running.size
    if (pending > 0) wrong.push(`${pending} exchanges have not ended`)
    await endpoint.close()
    if (wrong.length > 0) throw new Error(wrong.join('\n'))
  }), { numRuns: 100, includeErrorInReport: true })
  t.ok(watch.peak() > 5, `up to ${watch.peak()} slots at once`)
  t.equal(watch.idle(), 0, 'a closed endpoint keeps no slot')
})

t.test('the pool grows with concurrency and shrinks to its limit', async t => {
  const watch = watchSlots()
  t.teardown(watch.stop)
  const opened = open()
  const { endpoint } = opened
  const all = async (count: number, deed: Deed): Promise<string[]> => {
    const steps = Array.from({ length: count }, (_, n): Step => ({
      who: 'ada',
      era: n % 2 === 0 ? 'legacy' : 'modern',
      id: 1,
      deed,
      startsAfter: 0,
      lasts: 3,
      batch: []
    }))
    return (await Promise.all(steps.map(async (step, number) => await play(opened, step, number)))).flat()
  }
  t.same(await all(300, 'returns later'), [])
  t.equal(watch.out(), 0)
  t.ok(watch.idle() <= 128, `${watch.idle()} idle after 300 at once`)
  for (let round = 0; round < 5; round++) t.same(await all(20, 'throws'), [])
  t.ok(watch.idle() <= 128)
  t.same(await all(50, 'leaves later'), [])
  await turns(5)
  t.equal(watch.out(), 0)
  t.same(watch.wrong, [])
  await endpoint.close()
  t.equal(watch.idle(), 0)
})
