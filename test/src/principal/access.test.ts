/** Access rules written as functions, and their failures. */
import t from 'tap'
import { type AccessRule, mayUse } from '../../../src/principal/access.js'
import { principalOf } from '../../support/exchange.js'

const ada = principalOf('ada')
/** A rule from JavaScript, without types. */
const ruleBy = (allow: () => unknown): AccessRule => ({ allow: allow as () => boolean })

for (const [what, allow] of [
  ['throws', () => { throw new Error('a rule that throws') }],
  ['promises yes', async () => true],
  ['returns a promise that rejects', async () => { throw new Error('the database is away') }],
  ['returns a hostile thenable', () => ({ get then () { throw new Error('not even this') } })],
  ['returns 1', () => 1],
  ['returns nothing', () => {}]
] as Array<[string, () => unknown]>) {
  t.test(`a rule that ${what} denies access and is reported`, async t => {
    const unhandled: unknown[] = []
    const keep = (reason: unknown): void => { unhandled.push(reason) }
    process.on('unhandledRejection', keep)
    t.teardown(() => { process.off('unhandledRejection', keep) })
    const rule = ruleBy(allow)
    const told: unknown[] = []
    t.equal(mayUse(ada, rule, error => { told.push(error) }), false)
    await new Promise(resolve => setImmediate(resolve))
    t.match(told, [Error])
    t.same(unhandled, [])
  })
}

t.test('a rule that returns a boolean is not reported', async t => {
  for (const answer of [true, false]) {
    const rule = ruleBy(() => answer)
    t.equal(mayUse(ada, rule, () => { t.fail('the rule did not fail') }), answer)
  }
})
