/** Access to resources does not depend on the spelling of a URI, for reading, subscriptions and changes. */
import t from 'tap'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { callOf, modern, post, rpc, service, withKey, withToken } from '../support/service.js'

const admins = { roles: ['admin'] } as const
const read: string[] = []
const resources = [
  defineResource({
    name: 'notes',
    uriTemplate: 'notes://{team}/{id}',
    read: (uri, _context, variables) => {
      read.push(uri, ...Object.values(variables))
      return 'open'
    }
  }),
  defineResource({
    name: 'admin notes',
    uriTemplate: 'notes://admin/{id}',
    access: admins,
    read: () => 'secret'
  }),
  defineResource({ name: 'settings', uriTemplate: 'conf://{name}', read: () => 'open' }),
  defineResource({ name: 'secret', uri: 'conf://secret', access: admins, read: () => 'secret' }),
  defineResource({ name: 'sites', uriTemplate: 'https://{host}/{id}', read: () => 'open' }),
  defineResource({ name: 'admin site', uriTemplate: 'https://admin.test/{id}', access: admins, read: () => 'secret' }),
  defineResource({ name: 'here', uriTemplate: 'http://127.0.0.1/{id}', access: admins, read: () => 'secret' }),
  defineResource({ name: 'plain sites', uriTemplate: 'http://{host}/{id}', read: () => 'open' })
]

const spellings = [
  'notes://admin/1',
  'notes://%61dmin/1',
  'notes://%61%64%6D%69%6e/1',
  'NOTES://admin/1',
  'notes://Admin/1',
  'notes://ADMIN/%31',
  'notes://team/../admin/1',
  'notes://team/%2e%2e/admin/1',
  'notes://team/..%2f..%2fadmin%2f1',
  'notes://admin/1%00',
  'notes://admin\\1',
  'notes://admin%2f1',
  'conf://secret',
  'conf://%73ecret',
  'conf://Secret',
  'CONF://%73%65%63%72%65%74',
  'conf://x/../secret',
  'notes://x@admin/1',
  'notes://@admin/1',
  'notes://admin:80/1',
  'notes://admin:/1',
  'conf://secret:',
  'conf://x@secret',
  'https://ADMIN.test:443/1',
  'https://%EF%BD%81dmin.test/1',
  'https://ad%C2%ADmin.test/1',
  'https://admin%E3%80%82test/1',
  'https://x@admin.test/1',
  'https://admin.test:8443/1',
  'http://0x7f.1/1',
  'http://2130706433/1'
]

for (const uri of spellings) {
  t.test(`${uri} is unknown to a user, in both eras`, async t => {
    const app = await service(t, { resources })
    t.equal((await post(app, rpc('resources/read', { uri }))).body.error.data.code, 'MCP_ERR_UNKNOWN_RESOURCE')
    const { headers, payload } = modern('resources/read', { uri })
    t.equal((await post(app, payload, { ...withKey, ...headers })).body.error.data.code, 'MCP_ERR_UNKNOWN_RESOURCE')
    t.same(read, [])
  })
}

t.test('an admin can use any spelling, and the handler gets the normalized URI', async t => {
  const app = await service(t, { resources })
  const admin = withToken('root', 'admin')
  for (const uri of ['notes://admin/1', 'notes://%61dmin/1', 'conf://%73ecret']) {
    t.match((await post(app, rpc('resources/read', { uri }), admin)).body.result, {
      contents: [{ uri, text: 'secret' }]
    })
  }
  await post(app, rpc('resources/read', { uri: 'notes://%74eam/%31%20x' }))
  t.same(read.splice(0), ['notes://team/1%20x', 'team', '1 x'])
})

t.test('a failing access rule is logged by each app that uses it', async t => {
  const tools = [
    defineTool({
      name: 'shared',
      access: {
        allow: () => {
          throw new Error('the database is away')
        }
      },
      handler: () => ''
    })
  ]
  const [first, second] = [logSink(), logSink()]
  const apps = [await service(t, { tools, logStream: first }), await service(t, { tools, logStream: second })]
  for (const [index, app] of apps.entries()) {
    t.match((await post(app, callOf('shared'))).body.error, { data: { code: 'MCP_ERR_UNKNOWN_TOOL' } })
    t.equal(first.lines().filter(({ item }) => item === 'shared').length, 1)
    t.equal(second.lines().filter(({ item }) => item === 'shared').length, index)
  }
})
