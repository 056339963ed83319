/** Finds the user other than root who controls a path. */
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { actAsOwnerOf, asOwnerOf, ownerOf, requireOwnPath } from '../../../src/lib/path-owner.js'
import { isRoot, nobody, unlessNobodyCan } from '../../support/process.js'

const asRoot = { skip: isRoot ? unlessNobodyCan() : 'only root can give directories away' }

t.test('ownerOf is undefined if only root controls the path', asRoot, async t => {
  const base = t.testdir({ own: { file: '' } })
  for (const path of [
    base,
    join(base, 'own'),
    join(base, 'own', 'file'),
    join(base, 'own', 'none', 'deeper')
  ]) { t.equal(ownerOf(path), undefined, path) }
})

t.test('ownerOf returns the owner of a parent directory', asRoot, async t => {
  const base = t.testdir({ theirs: { inner: { file: '' } } })
  chownSync(join(base, 'theirs'), nobody.uid, nobody.gid)
  for (const path of ['theirs', 'theirs/inner/file', 'theirs/none', 'theirs/none/deeper']) {
    t.match(ownerOf(join(base, path)), { uid: nobody.uid, gid: nobody.gid }, path)
  }
})

t.test('ownerOf ignores the owner of the file itself', asRoot, async t => {
  const base = t.testdir({ file: '' })
  chownSync(join(base, 'file'), nobody.uid, nobody.gid)
  t.equal(ownerOf(join(base, 'file')), undefined)
})

t.test('ownerOf follows a link to its target directory', asRoot, async t => {
  const base = t.testdir({ theirs: {}, own: {} })
  chownSync(join(base, 'theirs'), nobody.uid, nobody.gid)
  symlinkSync('../theirs/file', join(base, 'own', 'link'))
  t.match(ownerOf(join(base, 'own', 'link')), { uid: nobody.uid })
  symlinkSync(join(base, 'own'), join(base, 'theirs', 'back'))
  t.match(ownerOf(join(base, 'theirs', 'back', 'file')), { uid: nobody.uid }, 'the user who can replace the link')
})

t.test('ownerOf never returns the group of root', asRoot, async t => {
  const base = t.testdir({ theirs: {} })
  chownSync(join(base, 'theirs'), 65_000, 0)
  t.match(ownerOf(join(base, 'theirs')), { uid: 65_000, gid: 65_000, name: '#65000' })
})

for (const [what, mode, gid, name] of [
  ['everybody', 0o777, 0, 'file'],
  ['its group', 0o775, 65_534, 'file'],
  ['everybody, as /tmp is, for a new name', 0o1777, 0, 'none']
] as const) {
  t.test(`ownerOf refuses a directory that is open to ${what}`, asRoot, async t => {
    const base = t.testdir({ open: { file: '' } })
    chownSync(join(base, 'open'), 0, gid)
    chmodSync(join(base, 'open'), mode)
    t.throws(() => ownerOf(join(base, 'open', name)), {
      name: 'ForeignPathError',
      message: /can be written by .*sudo -u/
    })
  })
}

t.test("ownerOf uses the entry's owner in a sticky directory", asRoot, async t => {
  const base = t.testdir({ open: { ours: {}, theirs: '' } })
  chmodSync(join(base, 'open'), 0o1777)
  chownSync(join(base, 'open', 'theirs'), nobody.uid, nobody.gid)
  t.equal(ownerOf(join(base, 'open', 'ours', 'file')), undefined)
  t.match(ownerOf(join(base, 'open', 'theirs')), { uid: nobody.uid })
})

t.test('ownerOf refuses a path controlled by two users', asRoot, async t => {
  const base = t.testdir({ one: { other: {} } })
  chownSync(join(base, 'one'), 65_001, 65_001)
  chownSync(join(base, 'one', 'other'), 65_002, 65_002)
  t.throws(() => ownerOf(join(base, 'one', 'other')), { message: /#65001, #65002.*sudo -u/ })
})

t.test('ownerOf terminates for circular links', asRoot, async t => {
  const base = t.testdir({})
  symlinkSync('b', join(base, 'a'))
  symlinkSync('a', join(base, 'b'))
  t.equal(ownerOf(join(base, 'a')), undefined)
})

t.test('requireOwnPath names sudo -u', asRoot, async t => {
  const base = t.testdir({ theirs: {} })
  chownSync(join(base, 'theirs'), 65_001, 65_001)
  t.throws(
    () => {
      requireOwnPath(join(base, 'theirs', 'file'))
    },
    { name: 'ForeignPathError', message: /The user #65001 controls .*sudo -u '#65001'/ }
  )
  t.doesNotThrow(() => { requireOwnPath(join(base, 'file')) })
})

t.test('asOwnerOf creates files as the owner and returns to root', asRoot, async t => {
  const base = t.testdir({ theirs: {}, own: {} })
  chownSync(join(base, 'theirs'), nobody.uid, nobody.gid)
  chmodSync(join(base, 'own'), 0o700)
  await asOwnerOf(join(base, 'theirs'), async () => {
    t.same([process.geteuid?.(), process.getegid?.(), process.getgroups?.()], [nobody.uid, nobody.gid, [nobody.gid]])
    t.throws(() => { writeFileSync(join(base, 'own', 'file'), '') }, { code: 'EACCES' })
    mkdirSync(join(base, 'theirs', 'made'))
    t.equal(actAsOwnerOf(join(base, 'own')).as, undefined, 'a nested call changes nothing')
  })
  t.same([process.geteuid?.(), process.getegid?.()], [0, 0])
  await t.rejects(asOwnerOf(join(base, 'theirs'), async () => { throw new Error('failed') }), /failed/)
  t.equal(process.geteuid?.(), 0)
})
