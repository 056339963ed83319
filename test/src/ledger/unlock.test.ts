/** Repeated unlocks of one address. */
import t from 'tap'
import { commandLine } from '../../../src/ledger/records.js'
import { openState } from '../../support/state.js'

t.test('unlockAddress works after an unlock by a clock that is ahead', async t => {
  const state = await openState(t)
  const heard: string[] = []
  state.onUnlock(address => { heard.push(address) })
  const now = Date.now
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + 5000
  await state.unlockAddress('192.0.2.1', commandLine)
  Date.now = now
  await state.unlockAddress('192.0.2.1', commandLine)
  t.same(heard, ['192.0.2.1', '192.0.2.1'])
})
