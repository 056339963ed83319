/** The demo items, called as clients do. */
import Fastify from 'fastify'
import t from 'tap'
import { demo } from '../../../src/demo/items.js'
import { createTestClient, lintTools, mcpAuth } from '../../../src/index.js'

for (const era of ['modern', 'legacy'] as const) {
  t.test(`the demo items work in the ${era} era`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(mcpAuth, { apiKeys: ['a-key-for-the-demo-items'], ...demo, sessions: true })
    const user = createTestClient(app, {
      era,
      key: 'a-key-for-the-demo-items',
      onElicit: ({ message }) => {
        t.equal(message, 'What is your name?')
        return { action: 'accept', content: { name: 'Ada' } }
      }
    })
    const { structuredContent } = await user.callTool('demo-roll', { dice: 3, sides: 2 })
    t.match(structuredContent, { rolls: [Number, Number, Number], total: Number })
    const { text, notifications } = await user.callTool('demo-countdown', { from: 1 })
    t.equal(text, 'Liftoff!')
    t.match(notifications, [{ params: { progress: 0, total: 1 } }, { params: { data: { left: 1 } } }])
    t.equal((await user.callTool('demo-greet')).text, 'Hello Ada!')
    t.notOk((await user.listTools()).some(({ name }) => name === 'demo-admin-only'))
    const admin = createTestClient(app, { era, principal: { id: 'boss', role: 'admin' } })
    t.equal((await admin.callTool('demo-admin-only')).text, 'Hello admin boss!')
    t.match(await user.readResource('demo://welcome'), { contents: [{ text: /demo-roll/ }] })
    t.match(await user.readResource('demo://squares/12'), { contents: [{ text: '144' }] })
    await t.rejects(user.readResource('demo://squares/many'), { code: 'MCP_ERR_UNKNOWN_RESOURCE' })
    t.match(await user.getPrompt('demo-tour', { focus: 'progress' }), { messages: [{ content: { text: /progress/ } }] })
    for (const args of [{ dice: 21 }, { sides: 1 }, { dice: 1.5 }]) {
      t.ok((await user.callTool('demo-roll', args)).isError)
    }
    t.ok((await user.callTool('demo-countdown', { from: 11 })).isError)
    await user.close()
  })
}

t.test('the demo tools have no lint findings', async t => {
  t.same(lintTools(demo.tools), [])
})
