/** Canonical JSON: equal values give the same text. */
import t from 'tap'
import { canonicalJson } from '../../../src/lib/canonical-json.js'

const withB = { z: 1, b: 2 }
const cases: ReadonlyArray<readonly [string, unknown, string]> = [
  ['members in their order', { a: 1, b: 'x', c: true }, '{"a":1,"b":"x","c":true}'],
  ['members in another order', { b: 'x', a: 1 }, '{"a":1,"b":"x"}'],
  ['an undefined member', { a: undefined, b: 1 }, '{"b":1}'],
  ['names of digits, which JavaScript puts first', { 10: 'x', 2: 'y', A: 1 }, '{"10":"x","2":"y","A":1}'],
  ['objects inside of objects', { a: { d: 1, c: [{ z: 1, y: null }] } }, '{"a":{"c":[{"y":null,"z":1}],"d":1}}'],
  ['a function, which JSON cannot hold', { a: () => 1 }, '{"a":null}'],
  ['a flat object with toJSON', Object.assign(Object.create({ toJSON: () => withB }), { a: 1 }), '{"b":2,"z":1}'],
  ['a date inside of an object', { a: [{ at: new Date(0) }] }, '{"a":[{"at":"1970-01-01T00:00:00.000Z"}]}'],
  ['a member toJSON that is no function', { toJSON: 1, b: { c: 1 } }, '{"b":{"c":1},"toJSON":1}'],
  ['text to be escaped', { a: '"\n\u2028' }, '{"a":"\\"\\n\u2028"}'],
  ['no members', {}, '{}']
]

for (const [what, value, text] of cases) {
  t.test(`canonical JSON of ${what}`, async (t) => {
    t.equal(canonicalJson(value), text)
  })
}
