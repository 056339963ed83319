/** Canonical JSON: equal values give the same text. */
import t from 'tap'
import { canonicalJson } from '../../../src/lib/canonical-json.js'

const cases: ReadonlyArray<readonly [string, unknown, string]> = [
  ['members in their order', { a: 1, b: 'x', c: true }, '{"a":1,"b":"x","c":true}'],
  ['members in another order', { b: 'x', a: 1 }, '{"a":1,"b":"x"}'],
  ['an undefined member', { a: undefined, b: 1 }, '{"b":1}'],
  ['names of digits, which JavaScript puts first', { 10: 'x', 2: 'y', A: 1 }, '{"10":"x","2":"y","A":1}'],
  ['objects inside of objects', { a: { d: 1, c: [{ z: 1, y: null }] } }, '{"a":{"c":[{"y":null,"z":1}],"d":1}}'],
  ['a function, which JSON cannot hold', { a: () => 1 }, '{"a":null}'],
  ['a toJSON of a flat object', Object.assign(Object.create({ toJSON: () => 'other' }), { a: 1 }), '{"a":1}'],
  ['text to be escaped', { a: '"\n\u2028' }, '{"a":"\\"\\n\u2028"}'],
  ['no members', {}, '{}']
]

for (const [what, value, text] of cases) {
  t.test(`canonical JSON of ${what}`, async (t) => {
    t.equal(canonicalJson(value), text)
  })
}
