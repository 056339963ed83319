/** The scopes that a caller holds, and rules of roles and scopes. */
import t from 'tap'
import { type AccessRule, holdsScope, mayUse } from '../../../src/principal/access.js'
import type { Principal } from '../../../src/principal/principal.js'

const held: Array<[string[], string, boolean]> = [
  [[], 'files:read', false],
  [['files:read'], 'files:read', true],
  [['other', 'files:read'], 'files:read', true],
  [['files:read'], 'files:write', false],
  [['files:read'], 'files:read:all', false],
  [['files:read'], 'files:rea', false],
  [['Files:read'], 'files:read', false],
  [['*'], 'files:read', true],
  [['*'], 'a', true],
  [['files:*'], 'files:read', true],
  [['files:*'], 'files:read:all', true],
  [['files:*'], 'files', false],
  [['files:*'], 'files:', false],
  [['files:*'], 'filesystem:read', false],
  [['files:*'], 'files:*', true],
  [['files:read:*'], 'files:read', false],
  [['files*'], 'files:read', false],
  [['files*'], 'filesystem', false],
  [['f*'], 'files', false],
  [['files:*:read'], 'files:x:read', false],
  [['*:read'], 'files:read', false],
  [[':*'], 'files:read', false],
  [['files:read'], 'files:*', false],
  [['files:read'], '*', false]
]

for (const [scopes, wanted, holds] of held) {
  t.test(`the scopes [${scopes.join(' ')}] ${holds ? 'include' : 'do not include'} ${wanted}`, async t => {
    t.equal(holdsScope(scopes, wanted), holds)
  })
}

const user: Principal = { id: 'user:ada', role: 'user', scopes: ['files:*'], method: 'jwt', attributes: {} }
const admin: Principal = { ...user, role: 'admin' }
const rules: Array<[string, AccessRule | undefined, boolean, boolean]> = [
  ['no rule', undefined, true, true],
  ['an empty rule', {}, true, true],
  ['a rule for admins', { roles: ['admin'] }, false, true],
  ['a rule for both roles', { roles: ['admin', 'user'] }, true, true],
  ['a rule for no role', { roles: [] }, false, false],
  ['a rule for a scope of theirs', { scopes: ['files:read'] }, true, true],
  ['a rule for two scopes with one of theirs', { scopes: ['files:read', 'mail:read'] }, false, false],
  ['a rule for no scope', { scopes: [] }, true, true],
  ['a rule for admins with a scope of theirs', { roles: ['admin'], scopes: ['files:read'] }, false, true],
  [
    'a rule for both roles with another scope',
    { roles: ['admin', 'user'], scopes: ['mail:read'] },
    false,
    false
  ]
]

for (const [what, rule, lets, letsAdmin] of rules) {
  t.test(
    `${what} ${lets ? 'admits' : 'refuses'} a user, and ${letsAdmin ? 'admits' : 'refuses'} an admin`,
    async t => {
      t.equal(mayUse(user, rule), lets)
      t.equal(mayUse(admin, rule), letsAdmin)
    }
  )
}
