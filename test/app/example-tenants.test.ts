/** examples/tenants.ts works as described. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildTenants, createKey, openDatabase } from '../../examples/tenants.js'
import { createTestClient } from '../../src/testing/test-client.js'
import { directory } from '../support/keys.js'
import { begin } from '../support/session.js'
import { listening, modern } from '../support/service.js'
import { secretOfTests } from '../support/witness.js'

async function tenants (t: Test) {
  const path = join(await directory(t), 'tenants.db')
  const db = openDatabase(path)
  const built = await buildTenants(db)
  t.teardown(async () => {
    await built.app.close()
    db.close()
  })
  const keyOf = (user: string, tenant: string, role?: string) => {
    const made = createKey(db, { user, tenant, ...(role === undefined ? {} : { role }) })
    secretOfTests(made.key)
    return made
  }
  return { ...built, db, path, keyOf }
}

t.test('keys are looked up in the database, which stores only digests', async t => {
  const { app, keyOf, path } = await tenants(t)
  const { key } = keyOf('ada', 'acme')
  t.match(await createTestClient(app, { key }).callTool('whoami'), {
    structuredContent: { id: 'acme/ada', role: 'user' }
  })
  await t.rejects(createTestClient(app, { key: `${key}x` }).callTool('whoami'), {
    name: 'TestClientError',
    status: 401
  })
  t.notOk(readFileSync(path).includes(key))
})

t.test('each tenant has its own notes, and only auditors can count tenants', async t => {
  const { app, keyOf } = await tenants(t)
  const [acme, other, auditor] = [
    keyOf('ada', 'acme'),
    keyOf('bob', 'other'),
    keyOf('eve', 'acme', 'auditor')
  ].map(({ key }) => createTestClient(app, { key }))
  await acme?.callTool('add-note', { text: 'buy tea' })
  await other?.callTool('add-note', { text: 'sell tea' })
  t.same((await acme?.callTool('list-notes'))?.structuredContent, { notes: ['buy tea'] })
  t.same((await other?.callTool('list-notes'))?.structuredContent, { notes: ['sell tea'] })
  t.same((await auditor?.callTool('list-notes'))?.structuredContent, { notes: ['buy tea'] })
  t.equal((await auditor?.callTool('count-tenants'))?.text, '2')
  await t.rejects(
    async () => {
      await acme?.callTool('count-tenants')
    },
    { name: 'TestClientError', code: 'MCP_ERR_UNKNOWN_TOOL' }
  )
})

t.test('a key revoked in the database ends only its own stream', async t => {
  const { app, keyOf, revokeKey } = await tenants(t)
  const [ada, bob] = [keyOf('ada', 'acme'), keyOf('bob', 'acme')]
  const url = await listening(app)
  const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const [hers, his] = await Promise.all(
    [ada, bob].map(({ key }) =>
      begin(url, payload, { ...headers, 'x-api-key': key, accept: 'text/event-stream' })
    )
  )
  if (hers === undefined || his === undefined) return t.fail('there is no stream')
  t.equal(hers.response.status, 200)
  revokeKey(ada.id)
  await hers.ended
  await t.rejects(createTestClient(app, { key: ada.key }).callTool('whoami'), { name: 'TestClientError', status: 401 })
  t.match(await createTestClient(app, { key: bob.key }).callTool('whoami'), { structuredContent: { id: 'acme/bob' } })
  app.server.closeAllConnections()
  await his.ended.catch(() => {})
})
