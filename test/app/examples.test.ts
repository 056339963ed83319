/** The other examples work as described. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { visit } from '../../examples/client.js'
import { buildShop } from '../../examples/embed.js'
import { order, recipe, shelf } from '../../examples/own-tools.js'
import { clients } from '../support/clients.js'
import { adaKey, callOf, listening, post, rpc, service, withKey, withToken } from '../support/service.js'
import { secret } from '../support/tokens.js'

t.test('the client uses the latest revision, lists tools and calls whoami', async t => {
  const app = await service(t)
  const url = await listening(app)
  t.match(await visit(`${url}/mcp`, withKey), {
    revision: '2026-07-28',
    tools: ['whoami'],
    whoami: { method: 'api-key' }
  })
  t.match(await visit(`${url}/mcp`, withToken('root', 'admin')), { whoami: { id: 'jwt:root', role: 'admin' } })
  await t.rejects(visit(`${url}/mcp`, {}))
})

t.test('the example tool, resource and prompt are served, with a question', async t => {
  const app = await service(t, { tools: [order], resources: [shelf], prompts: [recipe], sessions: true })
  const url = await listening(app)
  for (const [, , connect] of clients) {
    const asked: string[] = []
    const client = await connect({
      url,
      headers: withKey,
      onElicit: message => {
        asked.push(message)
        return { action: 'accept' }
      }
    })
    const { text, isError } = await client.call('order', { fruit: 'apple', count: 2 })
    t.equal(isError, false)
    t.match(JSON.parse(text), { fruit: 'apple' })
    t.same(asked, ['Order 2 × apple?'])
    t.match(await client.call('order', { fruit: 'pear' }), { isError: true, text: 'Not enough in stock: pear' })
    t.equal(await client.read('shelf://apple'), `${String(JSON.parse(text).left)} of apple`)
    t.equal(await client.prompt('recipe', { fruit: 'pear' }), 'Find a cake with pear.')
    t.same(await client.complete('recipe', { name: 'fruit', value: 'p' }), ['pear'])
    await client.close()
  }
})

t.test('the own-tools example has at most forty lines', async t => {
  const lines = readFileSync(new URL('../../examples/own-tools.ts', import.meta.url), 'utf8').trimEnd().split('\n')
  t.ok(lines.length <= 40, `${lines.length} lines`)
})

t.test('the embed example keeps its routes public and credentials separate', async t => {
  const app = await buildShop({ partnerKeys: [adaKey], staffSecret: secret })
  t.teardown(() => app.close())
  t.same((await app.inject('/')).json(), { fruits: ['apple', 'pear'] })
  t.equal((await app.inject('/nowhere')).json().error, 'Not Found')

  const price = callOf('price', { fruit: 'apple' })
  t.equal((await post(app, price, withKey, '/partners/mcp')).body.result.content[0].text, '30')
  t.equal((await post(app, price, withToken('sam'), '/partners/mcp')).status, 401)
  t.equal((await post(app, price, withToken('sam'), '/staff/mcp')).body.result.content[0].text, '30')
  t.equal((await post(app, price, withKey, '/staff/mcp')).status, 401)
})

t.test('the embed example applies the rights and limits of each part', async t => {
  const app = await buildShop({ partnerKeys: [adaKey], staffSecret: secret })
  t.teardown(() => app.close())
  t.notMatch((await post(app, rpc('tools/list'), withToken('sam'), '/staff/mcp')).text, /reprice/)
  const boss = withToken('boss', 'admin')
  t.equal(
    (await post(app, callOf('reprice', { fruit: 'apple', cents: 31 }), boss, '/staff/mcp')).body.result
      .content[0].text,
    'apple is at 31'
  )
  await post(app, callOf('reprice', { fruit: 'apple', cents: 30 }), boss, '/staff/mcp')
  t.same((await app.inject({ url: '/staff/me', headers: boss })).json(), { id: 'jwt:boss', role: 'admin' })
  t.equal((await app.inject('/staff/me')).statusCode, 401)
  t.equal((await post(app, rpc('ping'), withKey, '/partners/mcp')).headers['x-ratelimit-limit'], '30')
})
