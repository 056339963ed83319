/** The access of each kind of caller to items with each kind of rule, by every method. */
import t from 'tap'
import { callOf, post, withKey } from '../support/service.js'
import {
  guarded, type Issue, root, token, minted, managed, provided, type Rights, told, reads, everything,
  expected, firstId, resumed, namesIn, listOf, rowsOf
} from '../support/rights.js'
import { openSession } from '../support/session.js'

/** Written by hand, because computed expectations could repeat the mistakes of the code. */
const callers: ReadonlyArray<readonly [string, Issue, Rights]> = [
  ['a key', async () => ({ headers: withKey, revoke: async () => {} }), [['all'], told]],
  ['a managed key', managed(), [['all'], told]],
  ['a managed key of an admin with all of files', managed('admin', ['files:*']), [everything]],
  ['a user', token('bob'), [['all'], told]],
  ['a user who reads', token('bob', 'user', ['files:read']), [['all', ...reads]]],
  ['a user with all of files', token('bob', 'user', ['files:*']), [['all', ...reads]]],
  [
    'a user who can only write',
    token('bob', 'user', ['files:write', 'files', 'files:reader']),
    [['all'], told]
  ],
  ['an admin', token('eve', 'admin'), [['all', 'admins'], told]],
  ['an admin who reads', token('eve', 'admin', ['files:read']), [everything]],
  ['ada', token('ada'), [['all', 'ada'], told]],
  ['a user with a minted token', minted('ada', 'user', ['files:read']), [['all', 'ada', ...reads]]],
  ['an admin with a minted token', minted('eve', 'admin', ['files:read']), [everything]],
  ['a user of the provider', provided(), [['all'], { ...told, 'challenged-readers': 'challenge' }]],
  ['a user of the provider who reads', provided([], 'files:read'), [['all', ...reads]]],
  [
    'an admin of the provider',
    provided(['admin']),
    [['all', 'admins'], { ...told, 'challenged-readers': 'challenge', 'challenged-admins': 'challenge' }]
  ],
  ['an admin of the provider who reads', provided(['admin'], 'files:read'), [everything]]
]

for (const [who, issue, rights] of callers) {
  t.test(
    `${who} gets the expected result for every item and method`,
    async t => {
      const place = await guarded(t)
      const { headers } = await issue(place)
      const session = await openSession(place.app, { credential: headers })
      t.same(await rowsOf(place, headers, session), expected(rights))
      t.equal((await listOf(place.app, headers, session)).size, 1, 'all lists are the same')
      const { tools } = (await post(place.app, callOf('whoami'), headers)).body.result.structuredContent
      t.same(namesIn(tools.map((name: string) => ({ name }))), [...rights[0]].sort().join())
      const id = firstId(await post(place.app, callOf('all', {}, 'last'), session)) ?? ''
      const stolen = { 'mcp-session-id': String(session['mcp-session-id']), ...root }
      t.equal(await resumed(place.url, stolen, id), 'MCP_ERR_SESSION_NOT_FOUND')
    }
  )
}
