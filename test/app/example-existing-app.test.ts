/** examples/existing-app.ts works as described. */
import t, { type Test } from 'tap'
import { buildExistingApp } from '../../examples/existing-app.js'
import { createTestClient } from '../../src/testing/test-client.js'
import { adaKey, bobKey } from '../support/service.js'
import { secret } from '../support/tokens.js'

async function shop (t: Test) {
  const app = await buildExistingApp({
    secret,
    customers: { ada: { password: 'of-ada', key: adaKey }, bob: { password: 'of-bob', key: bobKey } }
  })
  t.teardown(() => app.close())
  const [ada, bob] = [adaKey, bobKey].map(key => createTestClient(app, { key }))
  if (ada === undefined || bob === undefined) throw new Error('unreachable')
  return { app, ada, bob }
}

t.test('existing routes still require a session or a token', async t => {
  const { app } = await shop(t)
  t.equal((await app.inject('/orders/1')).statusCode, 401)
  t.equal((await app.inject({ url: '/orders/1', headers: { 'x-api-key': adaKey } })).statusCode, 401)
  const login = { method: 'POST', url: '/login' } as const
  t.equal((await app.inject({ ...login, payload: { name: 'ada', password: 'wrong' } })).statusCode, 401)
  const signedIn = await app.inject({ ...login, payload: { name: 'ada', password: 'of-ada' } })
  const [sessionCookie] = signedIn.cookies
  const order = { method: 'POST', url: '/orders', payload: { item: 'tea' } } as const
  const cookies = { [String(sessionCookie?.name)]: String(sessionCookie?.value) }
  t.equal((await app.inject({ ...order, cookies })).statusCode, 201)
  const headers = { authorization: `Bearer ${String(signedIn.json().token)}` }
  t.match((await app.inject({ url: '/orders/1', headers })).json(), { customer: 'ada', item: 'tea', count: 1 })
})

t.test('two routes are tools that act on behalf of the caller', async t => {
  const { ada, bob } = await shop(t)
  t.same((await ada.listTools()).map(({ name }) => name).sort(), ['get-order', 'place-order', 'whoami'])
  t.match(await ada.callTool('place-order', { item: 'tea', count: 2 }), {
    structuredContent: { id: 1, customer: 'ada', item: 'tea', count: 2 }
  })
  t.match(await ada.callTool('get-order', { id: 1 }), { structuredContent: { item: 'tea' } })
  t.match(await bob.callTool('get-order', { id: 1 }), { isError: true, text: /\(404\): You have no such order/ })
  t.match(await ada.callTool('place-order', { item: 'tea', count: 1000 }), { isError: true, text: /count/ })
})

t.test("the endpoint accepts the app's keys, but not its sessions or tokens", async t => {
  const { app } = await shop(t)
  await t.rejects(createTestClient(app).listTools(), { name: 'TestClientError', status: 401 })
  const token = app.jwt.sign({ sub: 'ada' })
  await t.rejects(createTestClient(app, { token }).listTools(), { name: 'TestClientError', status: 401 })
  await app.ready()
  t.notMatch(JSON.stringify(app.swagger()), '/mcp')
})
