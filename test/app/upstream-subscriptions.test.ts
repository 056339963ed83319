/** Subscriptions to resources of an upstream: shared by callers, and ended with the last one. */
import type { ServerResponse } from 'node:http'
import type { Client } from '@modelcontextprotocol/client'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { Resource } from '../../src/tools/resource.js'
import { adaKey, bobKey, callOf, listening, post, service, withToken } from '../support/service.js'
import { until } from '../support/until.js'
import { client, hostile, serving, textOf } from '../support/upstreams.js'

type Era = 'modern' | 'legacy'
const now = 'state://now'

/** Subscribes as usual in the era. `told` lists the notifications; `leave` ends the subscription. */
async function subscribe (
  ada: Client,
  era: Era,
  uri: string
): Promise<{ told: string[], leave: () => Promise<unknown> }> {
  const told: string[] = []
  ada.setNotificationHandler('notifications/resources/updated', ({ params }) => { told.push(params.uri) })
  if (era === 'modern') {
    const stream = await ada.listen({ resourceSubscriptions: [uri] })
    return { told, leave: async () => { await stream.close() } }
  }
  await ada.subscribeResource({ uri })
  return { told, leave: async () => await ada.unsubscribeResource({ uri }) }
}

async function asked (ada: Client): Promise<string> {
  return textOf(await ada.callTool({ name: 'asked' }))
}

async function untilAsked (ada: Client, what: string): Promise<void> {
  await until(async () => await asked(ada) === what)
}

/** Touches the resource until a notification arrives, because the stream of a session may not be open yet. */
async function touchUntil (ada: Client, told: readonly string[]): Promise<void> {
  const before = told.length
  await until(async () => {
    await ada.callTool({ name: 'touch' })
    return told.length > before
  })
}

for (const era of ['modern', 'legacy'] as const) {
  t.test(`subscribers share one upstream subscription, which ends with the last (${era})`, async t => {
    const url = await listening(await serving(t, { one: { ...hostile(), share: 'all' } }))
    const [ada, bob] = [await client(t, url, adaKey, { era }), await client(t, url, bobKey, { era })]
    const [first, second] = [await subscribe(ada, era, now), await subscribe(bob, era, now)]
    await untilAsked(ada, '+ state://now')
    await touchUntil(ada, first.told)
    await touchUntil(ada, second.told)
    t.same([...new Set([...first.told, ...second.told])], [now])
    await first.leave()
    await touchUntil(bob, second.told)
    t.equal(await asked(ada), '+ state://now', 'one subscriber is left')
    await second.leave()
    await untilAsked(ada, '+ state://now,- state://now')
  })

  t.test(`an update of a caller's own process reaches only that caller (${era})`, async t => {
    const url = await listening(await serving(t, { one: hostile() }))
    const [ada, bob] = [await client(t, url, adaKey, { era }), await client(t, url, bobKey, { era })]
    const [first, second] = [await subscribe(ada, era, now), await subscribe(bob, era, now)]
    await untilAsked(ada, '+ state://now')
    await untilAsked(bob, '+ state://now')
    await touchUntil(ada, first.told)
    await asked(bob)
    t.same(second.told, [])
    await touchUntil(bob, second.told)
    t.same([...new Set([...first.told, ...second.told])], [now])
  })
}

t.test('a caller that disconnects ends its subscription', async t => {
  const url = await listening(await serving(t, { one: { ...hostile(), share: 'all' } }))
  const [ada, bob] = [await client(t, url, adaKey), await client(t, url, bobKey)]
  await subscribe(bob, 'modern', now)
  await untilAsked(ada, '+ state://now')
  await bob.close()
  await untilAsked(ada, '+ state://now,- state://now')
})

t.test('deleting a session ends its subscriptions', async t => {
  const url = await listening(await serving(t, { one: { ...hostile(), share: 'all' } }))
  const [ada, bob] = [await client(t, url, adaKey), await client(t, url, bobKey, { era: 'legacy' })]
  await subscribe(bob, 'legacy', now)
  await untilAsked(ada, '+ state://now')
  const { sessionId } = bob.transport as { sessionId?: string }
  await fetch(`${url}/mcp`, { method: 'DELETE', headers: { 'x-api-key': bobKey, 'mcp-session-id': sessionId ?? '' } })
  await untilAsked(ada, '+ state://now,- state://now')
})

t.test('an unreadable resource is not subscribed to at the upstream', async t => {
  const app = await serving(t, { one: { ...hostile(), share: 'all', access: { roles: ['admin'] } } })
  const url = await listening(app)
  await (await client(t, url, adaKey)).listen({ resourceSubscriptions: [now] })
  await t.rejects((await client(t, url, adaKey, { era: 'legacy' })).subscribeResource({ uri: now }))
  const { body } = await post(app, callOf('asked'), withToken('root', 'admin'))
  t.equal(textOf(body.result), '')
})

t.test('a subscription is renewed after a crash, and the caller is notified', async t => {
  const url = await listening(await serving(t, { one: { ...hostile(), share: 'all' } }))
  const [ada, bob] = [await client(t, url, adaKey), await client(t, url, bobKey)]
  const { told } = await subscribe(bob, 'modern', now)
  await untilAsked(ada, '+ state://now')
  await ada.callTool({ name: 'die' })
  await until(() => told.length > 0)
  await untilAsked(ada, '+ state://now')
})

/** A server of revision 2026-07-28 over HTTP, with its open streams. */
async function far (
  t: Test
): Promise<{ app: FastifyInstance, url: string, open: Set<ServerResponse>, opened: () => number }> {
  const resources: Resource[] = ['a', 'b'].map(name => ({
    uri: `far://${name}`, name, read: async () => ({ text: name })
  }))
  const app = await service(t, { resources, env: { RATE_LIMIT_MAX: '100000' } })
  const open = new Set<ServerResponse>()
  let opened = 0
  app.server.on('request', ({ headers }, response: ServerResponse) => {
    if (headers['mcp-method'] !== 'subscriptions/listen') return
    open.add(response)
    opened += 1
    response.once('close', () => { open.delete(response) })
  })
  return { app, url: `${await listening(app)}/mcp`, open, opened: () => opened }
}

t.test('one stream to a modern upstream carries all resource subscriptions', async t => {
  const behind = await far(t)
  const app = await serving(t, { far: { url: behind.url, headers: { 'x-api-key': adaKey } } })
  const url = await listening(app)
  const [ada, bob] = [await client(t, url, adaKey), await client(t, url, bobKey, { era: 'legacy' })]
  await until(() => behind.open.size === 1)
  const [first, second] = [await subscribe(ada, 'modern', 'far://a'), await subscribe(bob, 'legacy', 'far://b')]
  await until(() => behind.opened() >= 3 && behind.open.size === 1)
  await until(() => {
    behind.app.mcp.resourceUpdated('far://a')
    behind.app.mcp.resourceUpdated('far://b')
    return first.told.length > 0 && second.told.length > 0
  })
  t.same([new Set(first.told), new Set(second.told)], [new Set(['far://a']), new Set(['far://b'])])
  for (let n = 0; n < 20; n++) await (await subscribe(ada, 'modern', 'far://a')).leave()
  await until(() => behind.open.size === 1)
  await first.leave()
  await second.leave()
  behind.app.mcp.addTool({ name: 'later', description: 'Comes later.', handler: async () => 'here' })
  await until(async () => (await ada.listTools()).tools.some(({ name }) => name === 'later'))
  await until(() => behind.open.size === 1)
  t.equal(behind.open.size, 1, 'the stream for the lists')
  await app.close()
  await until(() => behind.open.size === 0)
})

t.test('a stream that the upstream ends is reopened, and subscribers are notified', async t => {
  const behind = await far(t)
  const url = await listening(await serving(t, { far: { url: behind.url, headers: { 'x-api-key': adaKey } } }))
  const ada = await client(t, url, adaKey)
  const { told } = await subscribe(ada, 'modern', 'far://a')
  await until(() => behind.opened() >= 2 && behind.open.size === 1)
  for (const response of behind.open) response.destroy()
  await until(() => behind.open.size === 0)
  await until(() => told.length > 0 && behind.open.size === 1)
  t.same(told, ['far://a'])
})
