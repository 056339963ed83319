/** Who controls a path besides root, judged without following anybody. */
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { actAsOwnerOf, asOwnerOf, ownerOf, requireOwnPath } from '../../../src/lib/path-owner.js'
import { isRoot, nobody, unlessNobodyCan } from '../../support/process.js'

const asRoot = { skip: isRoot ? unlessNobodyCan() : 'only root can give directories away' }

t.test('ownerOf names nobody where root alone controls the path', asRoot, async t => {
  const base = t.testdir({ own: { file: '' } })
  for (const path of [
    base,
    join(base, 'own'),
    join(base, 'own', 'file'),
    join(base, 'own', 'none', 'deeper')
  ]) { t.equal(ownerOf(path), undefined, path) }
})

t.test('ownerOf names the owner of a directory on the way', asRoot, async t => {
  const base = t.testdir({ theirs: { inner: { file: '' } } })
  chownSync(join(base, 'theirs'), nobody.uid, nobody.gid)
  for (const path of ['theirs', 'theirs/inner/file', 'theirs/none', 'theirs/none/deeper']) {
    t.match(ownerOf(join(base, path)), { uid: nobody.uid, gid: nobody.gid }, path)
  }
})

t.test('ownerOf ignores the owner of the file itself, who cannot replace it', asRoot, async t => {
  const base = t.testdir({ file: '' })
  chownSync(join(base, 'file'), nobody.uid, nobody.gid)
  t.equal(ownerOf(join(base, 'file')), undefined)
})

t.test('ownerOf follows a link to the directory that it names', asRoot, async t => {
  const base = t.testdir({ theirs: {}, own: {} })
  chownSync(join(base, 'theirs'), nobody.uid, nobody.gid)
  symlinkSync('../theirs/file', join(base, 'own', 'link'))
  t.match(ownerOf(join(base, 'own', 'link')), { uid: nobody.uid })
  symlinkSync(join(base, 'own'), join(base, 'theirs', 'back'))
  t.match(ownerOf(join(base, 'theirs', 'back', 'file')), { uid: nobody.uid }, 'who can put another link there')
})

t.test('ownerOf never names the group of root', asRoot, async t => {
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

t.test('ownerOf takes what stands in a directory like /tmp for its owner', asRoot, async t => {
  const base = t.testdir({ open: { ours: {}, theirs: '' } })
  chmodSync(join(base, 'open'), 0o1777)
  chownSync(join(base, 'open', 'theirs'), nobody.uid, nobody.gid)
  t.equal(ownerOf(join(base, 'open', 'ours', 'file')), undefined)
  t.match(ownerOf(join(base, 'open', 'theirs')), { uid: nobody.uid })
})

t.test('ownerOf refuses a path under the control of two users', asRoot, async t => {
  const base = t.testdir({ one: { other: {} } })
  chownSync(join(base, 'one'), 65_001, 65_001)
  chownSync(join(base, 'one', 'other'), 65_002, 65_002)
  t.throws(() => ownerOf(join(base, 'one', 'other')), { message: /#65001, #65002.*sudo -u/ })
})

t.test('ownerOf ends on links in a circle', asRoot, async t => {
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

t.test('asOwnerOf makes what it makes theirs, and gives root back', asRoot, async t => {
  const base = t.testdir({ theirs: {}, own: {} })
  chownSync(join(base, 'theirs'), nobody.uid, nobody.gid)
  chmodSync(join(base, 'own'), 0o700)
  await asOwnerOf(join(base, 'theirs'), async () => {
    t.same([process.geteuid?.(), process.getegid?.(), process.getgroups?.()], [nobody.uid, nobody.gid, [nobody.gid]])
    t.throws(() => { writeFileSync(join(base, 'own', 'file'), '') }, { code: 'EACCES' })
    mkdirSync(join(base, 'theirs', 'made'))
    t.equal(actAsOwnerOf(join(base, 'own')).as, undefined, 'within, nothing changes')
  })
  t.same([process.geteuid?.(), process.getegid?.()], [0, 0])
  await t.rejects(asOwnerOf(join(base, 'theirs'), async () => { throw new Error('failed') }), /failed/)
  t.equal(process.geteuid?.(), 0)
})
