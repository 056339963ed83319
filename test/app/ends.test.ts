/** Calls that end early: at their deadline, or when the caller disconnects. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { callOf, listening, post, rpc, service, withKey } from '../support/service.js'

const hang = defineTool({ name: 'hang', handler: async () => await new Promise<never>(() => {}) })
/** Has its own short deadline, so that other calls are not affected on a slow machine. */
const hangBriefly = defineTool({ ...hang, name: 'hang-briefly', deadlineMs: 50 })

t.test('a call that never ends is ended at the deadline', async t => {
  const app = await service(t, { tools: [hang], env: { REQUEST_TIMEOUT_MS: '50' } })
  const { status, body } = await post(app, callOf('hang', {}, 'h'))
  t.equal(status, 200)
  t.match(body, { id: 'h', result: { isError: true, content: [{ text: /MCP_ERR_DEADLINE/ }] } })
})

t.test("a tool's own deadline applies and aborts its signal", async t => {
  let signal: AbortSignal | undefined
  const slow = defineTool({
    name: 'slow',
    deadlineMs: 50,
    handler: async (_args, context) => {
      signal = context.signal
      return await new Promise<never>(() => {})
    }
  })
  const app = await service(t, { tools: [slow] })
  t.match((await post(app, callOf('slow'))).body.result, { isError: true, content: [{ text: /MCP_ERR_DEADLINE/ }] })
  t.equal(signal?.aborted, true)
  t.equal((await post(app, callOf('whoami'))).status, 200)
})

t.test('a deadline in a batch ends only one answer', async t => {
  const app = await service(t, { tools: [hangBriefly] })
  const { status, body } = await post(app, [callOf('hang-briefly', {}, 1), rpc('ping', undefined, 2)])
  t.equal(status, 200)
  t.equal(body.find(({ id }: { id: unknown }) => id === 1).result.isError, true)
  t.same(body.find(({ id }: { id: unknown }) => id === 2).result, {})
})

t.test('a request and its cancellation in one batch are both answered', async t => {
  const app = await service(t, { tools: [hangBriefly] })
  const { body } = await post(app, [
    callOf('hang-briefly', {}, 1),
    { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }
  ])
  t.equal(body.length, 1)
  t.equal(body[0].id, 1)
})

for (const [what, speaks, batch] of [
  ['before the answer', false, false],
  ['during a stream', true, false],
  ['during a batch', false, true]
] as const) {
  t.test(`a caller that disconnects ${what} releases its resources`, async t => {
    const open = new Set<AbortSignal>()
    const wait = defineTool({
      name: 'wait',
      handler: async (_args, { signal, log }) => {
        if (speaks) await log('info', 'wait')
        open.add(signal)
        return await new Promise<never>((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            open.delete(signal)
            reject(new Error('gone'))
          })
        })
      }
    })
    const app = await service(t, { tools: [wait] })
    const url = await listening(app)
    const leaving = new AbortController()
    const calls = Array.from({ length: 10 }, async (_, id) => {
      const message = batch ? [callOf('wait', {}, id), callOf('wait', {}, id + 10)] : callOf('wait', {}, id)
      const init = {
        method: 'POST',
        signal: leaving.signal,
        headers: { ...withKey, 'content-type': 'application/json' },
        body: JSON.stringify(message)
      }
      return await fetch(`${url}/mcp`, init)
        .then(async response => await response.text())
        .catch(() => 'gone')
    })
    while (open.size < (batch ? 20 : 10)) await sleep(5)
    leaving.abort()
    t.same([...new Set(await Promise.all(calls))], ['gone'])
    while (open.size > 0) await sleep(5)
    t.equal((await post(app, callOf('whoami'))).status, 200)
  })
}
