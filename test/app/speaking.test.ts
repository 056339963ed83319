/** Messages of a handler before its answer: all of them arrive, and invalid ones affect no other call. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { z } from 'zod'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { begin, openSession, settles } from '../support/session.js'
import { callOf, eventsOf, listening, modern, post, service, withKey } from '../support/service.js'
import { until } from '../support/until.js'

const unwritable = { a: 1n }
const level = { 'io.modelcontextprotocol/logLevel': 'info' }

/** A call without a session, in a session, and in revision 2026-07-28. */
const ways: Array<
  [
    string,
    (
      app: Parameters<typeof post>[0],
      name: string,
      args?: Record<string, unknown>
    ) => Promise<{ headers: Record<string, string>; payload: object }>
  ]
> = [
  ['without a session', async (_app, name, args) => ({ headers: withKey, payload: callOf(name, args) })],
  [
    'in a session',
    async (app, name, args) => ({ headers: await openSession(app), payload: callOf(name, args) })
  ],
  [
    'in 2026-07-28',
    async (_app, name, args) => {
      const { headers, payload } = modern('tools/call', { name, arguments: args ?? {} })
      return {
        headers: { ...withKey, ...headers },
        payload: {
          ...payload,
          params: { ...payload.params, _meta: { ...(payload.params?._meta as object), ...level } }
        }
      }
    }
  ]
]

for (const [where, callBy] of ways) {
  t.test(
    `${where}, a message that cannot be JSON rejects in the handler`,
    async t => {
      const tool = defineTool({
        name: 'say',
        handler: async (_args, { log }) => {
          // Not awaited: the rejection must not end the process.
          log('info', unwritable)
          return await log('info', unwritable).then(
            () => 'said',
            (error: unknown) => `refused: ${(error as Error).name}`
          )
        }
      })
      const app = await service(t, { sessions: {}, tools: [tool] })
      const { headers, payload } = await callBy(app, 'say')
      const { text, body } = await post(app, payload, headers)
      t.match(body, { id: 1, result: { content: [{ text: 'refused: TypeError' }] } })
      t.equal(text.startsWith('{') ? 1 : eventsOf(text).length, 1)
    }
  )

  t.test(`${where}, a caller that reads gets all messages, and the handler waits`, async t => {
    const tool = defineTool({
      name: 'flood',
      input: z.object({ count: z.number(), size: z.number() }),
      handler: async ({ count, size }, { log }) => {
        for (let i = 0; i < count; i++) await log('info', 'x'.repeat(size))
        return 'done'
      }
    })
    const app = await service(t, { sessions: {}, tools: [tool] })
    const url = await listening(app)
    for (const [count, size] of [[300, 30_000], [2, 5_000_000]] as const) {
      const { headers, payload } = await callBy(app, 'flood', { count, size })
      const call = await begin(url, payload, headers)
      await call.ended
      t.equal(call.messages().length, count + 1)
      t.match(call.messages().at(-1), { result: { content: [{ text: 'done' }] } })
    }
  })
}

t.test('a handler that waits for a slow reader ends with its call', async t => {
  let signal: AbortSignal | undefined
  let ended = false
  const tool = defineTool({
    name: 'flood',
    deadlineMs: 300,
    handler: async (_args, context) => {
      signal = context.signal
      while (!signal.aborted) await context.log('info', 'x'.repeat(100_000))
      ended = true
      return 'done'
    }
  })
  const app = await service(t, { tools: [tool] })
  const url = await listening(app)
  const leaving = new AbortController()
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    signal: leaving.signal,
    headers: { ...withKey, 'content-type': 'application/json' },
    body: JSON.stringify(callOf('flood'))
  })
  await until(() => ended)
  leaving.abort()
  await response.text().catch(() => {})
})

t.test('a caller cut off for unawaited messages is logged', async t => {
  const sink = logSink()
  const tool = defineTool({
    name: 'flood',
    handler: async (_args, { log }) => {
      for (let i = 0; i < 100; i++) log('info', 'x'.repeat(100_000))
      await sleep(50)
      return 'done'
    }
  })
  const app = await service(t, { sessions: {}, logStream: sink, tools: [tool] })
  const url = await listening(app)
  for (const headers of [withKey, await openSession(app)]) {
    const call = await begin(url, callOf('flood'), headers).catch(() => undefined)
    if (call !== undefined) {
      t.ok(await settles(call.ended))
      t.notMatch(call.text(), 'done')
    }
  }
  t.match(sink.text(), /cut off: more than/)
})
