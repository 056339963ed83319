/** Tool calls of clients of the 2025 revisions: streams, progress, arguments and refusals. */
import t from 'tap'
import { z } from 'zod'
import { defineTool } from '../../src/tools/tool.js'
import { adaKey, callOf, eventsOf, initialize, post, rpc, service, withToken } from '../support/service.js'

t.test('a tool that sends messages before its result is answered as a stream', async t => {
  const count = defineTool({
    name: 'count',
    handler: async (_args, { progress, log }) => {
      await log('info', 'on it')
      for (let i = 1; i <= 3; i++) await progress(i, 3, `step ${i}`)
      return 'done'
    }
  })
  const app = await service(t, { tools: [count] })
  const { status, headers, text } = await post(app, rpc('tools/call', { name: 'count', _meta: { progressToken: 'p' } }))
  t.equal(status, 200)
  t.match(headers, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no', 'x-ratelimit-limit': /100/ })
  const events = eventsOf(text)
  t.same(
    events.map(({ method }) => method),
    ['notifications/message', ...Array(3).fill('notifications/progress'), undefined]
  )
  t.match(events[1].params, { progressToken: 'p', progress: 1, total: 3, message: 'step 1' })
  t.match(events.at(-1), { id: 1, result: { content: [{ text: 'done' }] } })
})

t.test('progress is not sent without a progress token', async t => {
  const count = defineTool({
    name: 'count',
    handler: async (_args, { progress }) => {
      await progress(1)
      return 'done'
    }
  })
  const app = await service(t, { tools: [count] })
  t.match((await post(app, callOf('count'))).headers['content-type'], /^application\/json/)
})

t.test('invalid input is an error that names the field', async t => {
  const add = defineTool({
    name: 'add',
    input: z.object({ a: z.number(), b: z.number().default(1) }),
    handler: ({ a, b }) => String(a + b)
  })
  const app = await service(t, { tools: [add] })
  t.equal((await post(app, callOf('add', { a: 1 }))).body.result.content[0].text, '2')
  for (const args of [{}, { a: '1' }, { a: null }]) {
    const { status, body } = await post(app, callOf('add', args))
    t.equal(status, 200)
    t.equal(body.result.isError, true)
    t.match(body.result.content[0].text, /\ba\b/)
  }
})

for (const [what, params] of [
  ['no name', {}],
  ['a name that is a number', { name: 1 }],
  ['arguments that are a list', { name: 'whoami', arguments: [] }],
  ['arguments that are a string', { name: 'whoami', arguments: 'x' }]
] as const) {
  t.test(`a call with ${what} is refused`, async t => {
    const app = await service(t)
    const { status, body } = await post(app, rpc('tools/call', params))
    t.equal(status, 200)
    t.match(body.error, { code: -32602, data: { code: 'MCP_ERR_INVALID_PARAMS' } })
  })
}

t.test('a tool without input ignores arguments', async t => {
  const echo = defineTool({ name: 'echo', handler: args => JSON.stringify(args) })
  const app = await service(t, { tools: [echo] })
  for (const params of [
    { name: 'echo' },
    { name: 'echo', arguments: {} },
    { name: 'echo', arguments: { '': {}, random: 'x' } }
  ]) {
    t.same((await post(app, rpc('tools/call', params))).body.result, {
      content: [{ type: 'text', text: '{}' }]
    })
  }
  t.match(
    (await post(app, rpc('tools/list'))).body.result.tools[0].inputSchema,
    { additionalProperties: false },
    'its schema allows no arguments'
  )
})

t.test('an empty cursor is accepted, and an unknown one is refused', async t => {
  const app = await service(t)
  t.equal((await post(app, rpc('tools/list', { cursor: '' }))).body.result.tools[0].name, 'whoami')
  t.equal((await post(app, rpc('tools/list', { cursor: 'x' }))).body.error.code, -32602)
})

t.test('names of prototype members are unknown tools', async t => {
  const app = await service(t)
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    t.equal((await post(app, callOf(name))).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
  }
})

t.test('answers contain no data of other callers', async t => {
  const app = await service(t)
  await post(
    app,
    initialize({ clientInfo: { name: 'first', version: '1' } }),
    { 'x-api-key': adaKey }
  )
  const { text } = await post(app, callOf('whoami'), withToken('eve'))
  t.notMatch(text, /first|apikey:/)
})
