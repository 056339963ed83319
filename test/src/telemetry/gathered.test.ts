/** Decisions that are handled together. */
import t from 'tap'
import type { Decision } from '../../../src/telemetry/decision.js'
import { Gathered } from '../../../src/telemetry/gathered.js'
import { until } from '../../support/until.js'

const decision = (item: string): Decision => ({ kind: 'called', outcome: 'allowed', at: 0, item })

t.test('handles decisions a moment later, in order', async t => {
  const handled: Array<string | undefined> = []
  const gathered = new Gathered(({ item }) => { handled.push(item) }, () => { t.fail('no fault') })
  gathered.add(decision('one'))
  gathered.add(decision('two'))
  t.same(handled, [])
  await until(() => handled.length === 2)
  t.same(handled, ['one', 'two'])
})

t.test('handles decisions at once on flush and when there are many', async t => {
  const handled: Array<string | undefined> = []
  const gathered = new Gathered(({ item }) => { handled.push(item) }, () => { t.fail('no fault') })
  gathered.add(decision('one'))
  gathered.flush()
  t.same(handled, ['one'])
  for (let i = 0; i < 32; i++) gathered.add(decision(String(i)))
  t.equal(handled.length, 33)
  gathered.flush()
  t.equal(handled.length, 33)
})

t.test('reports the first error and handles the other decisions', async t => {
  const handled: Array<string | undefined> = []
  const faults: unknown[] = []
  const fault = new Error('no')
  const gathered = new Gathered(({ item }) => {
    if (item !== 'good') throw fault
    handled.push(item)
  }, error => { faults.push(error) })
  for (const item of ['bad', 'good', 'bad', 'good']) gathered.add(decision(item))
  gathered.flush()
  t.same(handled, ['good', 'good'])
  t.same(faults, [fault])
})

t.test('handles a decision that arrives while others are handled', async t => {
  const handled: Array<string | undefined> = []
  const gathered: Gathered = new Gathered(({ item }) => {
    handled.push(item)
    if (item === 'one') gathered.add(decision('two'))
  }, () => { t.fail('no fault') })
  gathered.add(decision('one'))
  gathered.flush()
  await until(() => handled.length === 2)
  t.same(handled, ['one', 'two'])
})
