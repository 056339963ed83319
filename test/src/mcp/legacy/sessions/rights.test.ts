/** The rights that a session was used with. */
import t from 'tap'
import { areHeld, joinRights, rightsOf } from '../../../../../src/mcp/legacy/sessions/rights.js'
import { freezePrincipal } from '../../../../../src/principal/principal.js'

const user = freezePrincipal({ id: 'jwt:ada', role: 'user', scopes: ['a:b'], method: 'jwt', attributes: {} })
const [admin, wide, narrow] = [{ ...user, role: 'admin' }, { ...user, scopes: ['a:*', 'c'] }, { ...user, scopes: [] }]

t.test('areHeld is true only if all rights are held', t => {
  for (const [needed, held, expected] of [
    [user, user, true],
    [user, admin, true],
    [admin, user, false],
    [user, wide, true],
    [wide, user, false],
    [user, narrow, false],
    [user, { ...user, keyId: 'k' }, false],
    [user, { ...user, attributes: { tenant: 'x' } }, false],
    [{ ...user, roles: ['editor'] }, user, false],
    [{ ...user, roles: ['editor'] }, admin, true],
    [user, { ...user, roles: ['admin'] }, true],
    [admin, { ...user, roles: ['admin'] }, false]
  ] as const) { t.equal(areHeld(rightsOf(needed), rightsOf(held)), expected) }
  t.end()
})

t.test('joinRights returns the same object if nothing is new', t => {
  const all = rightsOf(wide)
  t.equal(joinRights(all, rightsOf({ ...wide, scopes: ['c'] })), all)
  const more = joinRights(rightsOf(user), rightsOf({ ...admin, scopes: ['d'] }))
  t.same([more.admin, more.scopes], [true, ['a:b', 'd']])
  t.end()
})

t.test('a session with too many rights cannot be resumed', t => {
  let all = rightsOf(user)
  for (let n = 0; n < 2000; n++) all = joinRights(all, rightsOf({ ...user, attributes: { n } }))
  t.ok(JSON.stringify(all).length < 1000)
  t.equal(areHeld(all, rightsOf({ ...admin, scopes: ['*'] })), false)
  t.end()
})
