/** The cache of `verifyKey` results, and how a key ends. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Principal } from '../../src/principal/principal.js'
import { defineTool } from '../../src/tools/tool.js'
import { callOf, eventsOf, listening, modern, modernMeta, post } from '../support/service.js'
import { withCrmKey, echo, host, good } from '../support/own-users.js'
import { until } from '../support/until.js'

t.test('verifyKey results are cached for verifyKeyTtlMs only if valid', async t => {
  let asked = 0
  const { app } = await host(t, {
    preauthLimit: { max: 1000, windowMs: 60_000 },
    verifyKey: (key, context) => {
      asked += 1
      return good(key, context)
    }
  })
  for (let i = 0; i < 5; i++) t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200)
  t.equal(asked, 1)
  for (let i = 0; i < 3; i++) await post(app, callOf('echo'), { 'x-api-key': 'another-key' })
  t.equal(asked, 4)
})

t.test('verifyKeyTtlMs: 0 calls verifyKey on every request', async t => {
  let asked = 0
  const { app } = await host(t, {
    verifyKeyTtlMs: 0,
    verifyKey: (key, context) => {
      asked += 1
      return good(key, context)
    }
  })
  await Promise.all([
    post(app, callOf('echo'), withCrmKey),
    post(app, callOf('echo'), withCrmKey),
    post(app, callOf('echo'), withCrmKey)
  ])
  t.equal(asked, 3)
})

t.test('concurrent requests with one key call verifyKey once', async t => {
  let asked = 0
  const { app } = await host(t, {
    verifyKey: async (key, context) => {
      asked += 1
      await sleep(20)
      return await good(key, context)
    }
  })
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(app, callOf('echo'), withCrmKey)))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(asked, 1)
})

t.test('a cached result is valid no longer than the key', async t => {
  let expiresAt = Date.now() + 60_000
  const { app } = await host(t, { verifyKey: () => ({ id: 'crm:7', expiresAt }) })
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200)
  expiresAt = Date.now() - 1
  t.equal((await post(app, callOf('echo'), { 'x-api-key': 'another-key' })).status, 401)
})

t.test('endpoint.forget drops a key, even during its look-up', async t => {
  let isGood = true
  let open = (): void => {}
  const gate = new Promise<void>(resolve => { open = resolve })
  let asked = 0
  const { app, endpoint } = await host(t, {
    verifyKey: async (key, context) => {
      const answer = isGood ? await good(key, context) : null
      if (++asked === 1) await gate
      return answer
    }
  })
  const first = post(app, callOf('echo'), withCrmKey)
  await until(() => asked === 1)
  isGood = false
  endpoint.forget('k-1')
  open()
  await first
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 401, 'the old answer was not cached')
  isGood = true
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200)
  endpoint.forget('another')
  isGood = false
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 200, 'other keys stay cached')
  endpoint.forget('k-1')
  t.equal((await post(app, callOf('echo'), withCrmKey)).status, 401)
})

/** Sends a call that never ends. Resolves to its last message once its stream is closed. */
function talkingCall (
  url: string,
  headers: Record<string, string>
): Promise<Record<string, { code?: string; data?: { code: string } }>> {
  const { headers: more, payload } = modern('tools/call', {
    name: 'talk',
    arguments: {},
    _meta: { ...modernMeta, progressToken: 1 }
  })
  return fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...more,
      ...headers
    },
    body: JSON.stringify(payload)
  }).then(async response => eventsOf(await response.text()).at(-1))
}

for (const withStillGood of [true, false]) {
  t.test(
    `endpoint.forget ends the streams and calls of a key ${withStillGood ? 'if stillGood denies it' : 'without stillGood'}`,
    async t => {
      let isGood = true
      let talking = 0
      const talk = defineTool({
        name: 'talk',
        handler: async (_args, { progress }) => {
          await progress(1)
          talking += 1
          return await new Promise<never>(() => {})
        }
      })
      const quiet = defineTool({
        name: 'quiet',
        handler: async (_args, { signal }) => {
          talking += 1
          return await new Promise<never>((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reject(new Error('ended'))
            })
          })
        }
      })
      const { app, endpoint } = await host(t, {
        tools: [talk, quiet, echo()],
        verifyKey: (key, context) => (isGood ? good(key, context) : null),
        ...(withStillGood
          ? {
              stillGood: async ({ keyId, attributes }: Principal) =>
                keyId === 'k-1' && attributes.tenant === 'acme' && isGood
            }
          : {})
      })
      const url = await listening(app)
      const stream = talkingCall(url, withCrmKey)
      const call = post(app, callOf('quiet'), withCrmKey)
      await until(() => talking === 2)
      if (withStillGood) {
        endpoint.forget('k-1')
        await sleep(600)
        t.equal(
          (await post(app, callOf('echo'), withCrmKey)).status,
          200,
          'calls that stillGood allows continue'
        )
      }
      isGood = false
      endpoint.forget('k-1')
      t.match(await stream, { error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } } })
      t.match((await call).body, { error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } } })
    }
  )
}

t.test(
  'stillGood is called once per verifyKeyTtlMs, and an error counts as false',
  async t => {
    const talk = defineTool({
      name: 'talk',
      handler: async (_args, { progress }) => {
        await progress(1)
        return await new Promise<never>(() => {})
      }
    })
    let asked = 0
    const { app, log } = await host(t, {
      tools: [talk],
      verifyKey: good,
      verifyKeyTtlMs: 50,
      stillGood: async () => {
        if (++asked > 1) throw new Error('the database is away')
        return true
      }
    })
    t.match(await talkingCall(await listening(app), withCrmKey), {
      error: { data: { code: 'MCP_ERR_UNAUTHENTICATED' } }
    })
    t.equal(asked, 2)
    t.match(
      log.lines().filter(({ level }) => level === 50),
      [{ msg: '`stillGood` failed, which counts as false' }]
    )
  }
)
