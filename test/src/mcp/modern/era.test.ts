/** Requests of revision 2026-07-28: the form of their answers, and what they leave behind. */
import { Readable } from 'node:stream'
import { text as textOf } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { isRefusal } from '../../../../src/errors.js'
import { Catalog, type CatalogOptions } from '../../../../src/mcp/catalog/catalog.js'
import { RunningCalls } from '../../../../src/mcp/exchange/running-calls.js'
import { createEndpoint } from '../../../../src/mcp/era-router.js'
import { Exchange } from '../../../../src/mcp/exchange/exchange.js'
import type { Reply } from '../../../../src/mcp/wire/reply.js'
import { MemoryOneTimeStore } from '../../../../src/tokens/one-time-store.js'
import { defineResource } from '../../../../src/tools/resource.js'
import { defineTool } from '../../../../src/tools/tool.js'
import { callerOf } from '../../../support/exchange.js'
import { eventsOf, modern } from '../../../support/service.js'

const caller = callerOf()
const speak = defineTool({
  name: 'speak',
  handler: async (_args, { progress }) => {
    await progress(1)
    return 'done'
  }
})
const ask = defineTool({
  name: 'ask',
  handler: async (_args, { elicit }) => String(await elicit({ message: 'Yes?', schema: {} }))
})

interface Served {
  readonly reply: Promise<Reply>
  /** The caller closes its connection. */
  readonly leave: () => void
}

function open (t: Test, rest: Partial<CatalogOptions> = {}) {
  const catalog = new Catalog({ info: { name: 'tests', version: '0' }, tools: [speak, ask], ...rest })
  const endpoint = createEndpoint({ catalog, stateKey: new Uint8Array(32), spent: new MemoryOneTimeStore() })
  t.teardown(endpoint.close)
  const running = new RunningCalls()
  const serve = (method: string, params: Record<string, unknown>, headers: Record<string, string> = {}): Served => {
    const message = modern(method, params)
    const meta = {
      ...(message.payload.params?._meta as object),
      progressToken: 1,
      'io.modelcontextprotocol/clientCapabilities': { elicitation: {} }
    }
    const gone: Array<() => void> = []
    const reply = (async () => await endpoint.serve({
      method: 'POST',
      headers: { ...message.headers, ...headers },
      body: { ...message.payload, params: { ...message.payload.params, _meta: meta } },
      principal: caller.principal,
      open: () => new Exchange(caller, 60_000, { running }),
      charge: async () => {},
      onGone: listener => { gone.push(listener) }
    }))()
    return { reply, leave: () => { for (const listener of gone) listener() } }
  }
  const pending = (): number => {
    return running.size
  }
  return { catalog, streams: endpoint.streams, serve, pending }
}

t.test('a caller that accepts only JSON gets JSON despite messages', async t => {
  const { serve } = open(t)
  const streamed = await serve('tools/call', { name: 'speak' }).reply
  t.same(
    eventsOf(await textOf(streamed.stream ?? Readable.from([]))).map(({ method }) => method),
    ['notifications/progress', undefined]
  )
  const plain = await serve('tools/call', { name: 'speak' }, { accept: 'application/json' }).reply
  t.equal(plain.stream, undefined)
  t.match(JSON.parse(plain.json ?? ''), { result: { content: [{ text: 'done' }] } })
})

t.test('results of reads are cacheable only by their caller', async t => {
  const { serve } = open(t, { resources: [defineResource({ name: 'diary', uri: 'x://diary', read: () => 'mine' })] })
  t.match(JSON.parse((await serve('resources/read', { uri: 'x://diary' }).reply).json ?? ''), {
    result: { cacheScope: 'private', contents: [{ text: 'mine' }] }
  })
})

for (const [what, method, params] of [
  ['a call that is answered', 'tools/call', { name: 'speak' }],
  ['a call that waits for its caller', 'tools/call', { name: 'ask' }],
  ['a call with an invalid state', 'tools/call', { name: 'ask', requestState: 'v1.x.x' }],
  ['a call with invalid answers', 'tools/call', { name: 'ask', inputResponses: [] }],
  ['a subscription', 'subscriptions/listen', { notifications: { toolsListChanged: true } }],
  ['an empty subscription', 'subscriptions/listen', {}],
  ['an unknown method', 'tools/steal', {}]
] as const) {
  t.test(`${what} leaves no deadline behind`, async t => {
    const { serve, pending } = open(t)
    const given = await serve(method, params).reply.catch((error: unknown) => {
      if (isRefusal(error)) return undefined
      throw error
    })
    if (method === 'tools/call' && given?.stream !== undefined) await textOf(given.stream)
    t.equal(pending(), 0)
  })
}

t.test('a subscriber gets changes until it closes its stream', async t => {
  const { catalog, streams, serve } = open(t)
  let listeners = 0
  const { subscribe } = catalog.changes
  catalog.changes.subscribe = listener => {
    listeners += 1
    const unsubscribe = subscribe.call(catalog.changes, listener)
    return () => { listeners -= 1; unsubscribe() }
  }
  const { stream } = await serve('subscriptions/listen', { notifications: { toolsListChanged: true } }).reply
  t.equal(listeners, 1)
  t.equal(streams.size, 1)
  await new Promise(resolve => { stream?.once('close', resolve).destroy() })
  t.equal(listeners, 0)
  t.equal(streams.size, 0)
})

t.test('a tool is not started for a caller that disconnected', async t => {
  let begun = 0
  const slow = defineTool({ name: 'slow', cost: 2, handler: () => { begun += 1; return 'done' } })
  const { serve } = open(t, { tools: [slow] })
  const { reply, leave } = serve('tools/call', { name: 'slow' })
  leave()
  t.match(JSON.parse((await reply).json ?? ''), { error: { data: { code: 'MCP_ERR_CANCELLED' } } })
  t.equal(begun, 0)
})
