/** Freezes: the newest record of a target applies, in any order of arrival. */
import t from 'tap'
import { type FreezeRecord, Freezes } from '../../../src/freeze/freezes.js'
import { isTarget } from '../../../src/freeze/target.js'

const ada = { id: 'user:ada', keyId: 'k3vd81qmx0aa' }
const word = (kind: FreezeRecord['kind'], id: string, at: number): FreezeRecord => ({ kind, id, at })

for (const [what, records, isOff] of [
  ['off', [word('frozen', 'all', 1)], true],
  ['off and on', [word('frozen', 'all', 1), word('thawed', 'all', 2)], false],
  ['on and off, received in reverse order', [word('frozen', 'all', 3), word('thawed', 'all', 2)], true],
  ['off and on, received in reverse order', [word('thawed', 'all', 2), word('frozen', 'all', 1)], false],
  ['off and on at the same time', [word('frozen', 'all', 1), word('thawed', 'all', 1)], true],
  ['on and off at the same time', [word('thawed', 'all', 1), word('frozen', 'all', 1)], true]
] as const) {
  t.test(`a target that is ${what} is ${isOff ? 'frozen' : 'not frozen'}`, async t => {
    const freezes = new Freezes()
    for (const record of records) freezes.apply(record)
    t.equal(freezes.frozenFor(ada), isOff ? 'all' : undefined)
    for (const record of records) t.ok(freezes.holds(record), 'a repeated record changes nothing')
  })
}

t.test('frozenFor names what is frozen: everything, the caller, its key or the tool', async t => {
  for (const [target, forAda, forBob] of [
    ['all', 'all', 'all'],
    ['principal:user:ada', 'principal:user:ada', undefined],
    ['key:k3vd81qmx0aa', 'key:k3vd81qmx0aa', undefined],
    ['tool:search', 'tool:search', 'tool:search']
  ] as const) {
    const freezes = new Freezes()
    freezes.apply(word('frozen', target, 1))
    t.equal(freezes.frozenFor(ada, 'search'), forAda)
    t.equal(freezes.frozenFor({ id: 'jwt:bob' }, 'search'), forBob)
    t.equal(freezes.frozenFor({ id: 'jwt:bob' }, 'other'), target === 'all' ? 'all' : undefined)
  }
})

t.test('a target is all, or a kind with a name', async t => {
  for (const text of ['all', 'tool:x', 'principal:user:ada', 'key:k']) t.ok(isTarget(text), text)
  for (const text of ['', 'everything', 'tool:', 'tools:x', 'tool:a\nb', `tool:${'x'.repeat(513)}`, 'ALL']) {
    t.notOk(isTarget(text), text)
  }
})
