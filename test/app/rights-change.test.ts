/** What changes in a session when the caller's rights change or end. */
import t from 'tap'
import { defineResource } from '../../src/tools/resource.js'
import { callOf, post, rpc, service, withKey } from '../support/service.js'
import {
  names, guarded, type Issue, token, minted, managed, provided, becomes, type Rights, told, reads,
  everything, expected, firstId, resumed, rowsOf
} from '../support/rights.js'
import { openSession } from '../support/session.js'

for (const [what, full, demoted, rights] of [
  [
    'a token that loses its role',
    token('eve', 'admin', ['files:read']),
    token('eve', 'user', ['files:read']),
    [['all', ...reads]]
  ],
  [
    'a token that loses its scopes',
    token('eve', 'admin', ['files:read']),
    token('eve', 'admin'),
    [['all', 'admins'], told]
  ],
  ['a minted token that loses both', minted('eve', 'admin', ['files:read']), minted('eve'), [['all'], told]],
  ['a managed key that loses both', managed('admin', ['files:*']), managed(), [['all'], told]],
  [
    'a caller of the provider who loses the role',
    provided(['admin'], 'files:read'),
    provided([], 'files:read'),
    [['all', ...reads]]
  ],
  [
    'a caller of the provider who loses the scopes',
    provided(['admin'], 'files:read'),
    provided(['admin']),
    [['all', 'admins'], { ...told, 'challenged-readers': 'challenge', 'challenged-admins': 'challenge' }]
  ]
] as ReadonlyArray<readonly [string, Issue, Issue, Rights]>) {
  t.test(`${what} during a session can use only the remaining items`, async t => {
    const place = await guarded(t)
    const [before, after] = [await full(place), await demoted(place)]
    const session = await openSession(place.app, { credential: before.headers })
    const id = firstId(await post(place.app, callOf('admins-who-read', {}, 'first'), session)) ?? ''
    t.equal(await resumed(place.url, session, id), 'done')
    const seen = await rowsOf(place, after.headers, { ...session, ...after.headers })
    const left = Object.entries(expected(rights)).map(([rule, row]) => [
      rule,
      row.resume === undefined ? row : { ...row, resume: 'MCP_ERR_SESSION_NOT_FOUND' }
    ])
    t.same(seen, Object.fromEntries(left))
    t.equal(await resumed(place.url, { ...session, ...after.headers }, id), 'MCP_ERR_SESSION_NOT_FOUND')
    t.equal(
      (await post(place.app, callOf('admins-who-read', {}, 'second'), session)).body.result.content[0].text,
      'done',
      'the full credential still works'
    )
  })
}

for (const [what, issue] of [
  ['a token', token('eve', 'admin', ['files:read'])],
  ['a minted token', minted('eve', 'admin', ['files:read'])],
  ['a managed key', managed('admin', ['files:read'])],
  ['a caller of the provider', provided(['admin'], 'files:read')]
] as const) {
  t.test(
    `${what} that is revoked during a session is refused everywhere`,
    async t => {
      const place = await guarded(t)
      const { headers, revoke } = await issue(place)
      const session = await openSession(place.app, { credential: headers })
      const id = firstId(await post(place.app, callOf('admins-who-read', {}, 'first'), session)) ?? ''
      t.equal(await resumed(place.url, session, id), 'done')
      await revoke()
      await becomes(place.app, headers, 401)
      const refused = {
        listed: false,
        call: 'MCP_ERR_UNAUTHENTICATED',
        read: 'MCP_ERR_UNAUTHENTICATED',
        subscribe: 'MCP_ERR_UNAUTHENTICATED'
      }
      t.same(await rowsOf(place, headers, session), Object.fromEntries(names.map(rule => [rule, refused])))
      t.equal(await resumed(place.url, session, id), 'MCP_ERR_UNAUTHENTICATED')
    }
  )
}

t.test('a caller that gains rights during a session can use them', async t => {
  const place = await guarded(t)
  const [before, after] = [await token('eve')(place), await token('eve', 'admin', ['files:read'])(place)]
  const session = await openSession(place.app, { credential: before.headers })
  t.same(await rowsOf(place, before.headers, session), expected([['all'], told]))
  t.same(await rowsOf(place, after.headers, { ...session, ...after.headers }), expected([everything]))
})

t.test('an item with denied: error refuses access with a message', async t => {
  const app = await service(t, {
    sessions: {},
    resources: [
      defineResource({
        name: 'plans',
        uri: 'files://plans',
        access: { roles: ['admin'], denied: 'error' },
        read: () => 'read'
      })
    ]
  })
  const session = await openSession(app, { credential: withKey })
  t.equal((await post(app, rpc('resources/list'), session)).body.result.resources[0].name, 'plans')
  for (const method of ['resources/read', 'resources/subscribe']) {
    t.match((await post(app, rpc(method, { uri: 'files://plans' }), session)).body.error, {
      code: -32602,
      data: { code: 'MCP_ERR_NOT_ALLOWED' }
    })
  }
})
