/** The one-time store of one process. */
import t from 'tap'
import { MemoryOneTimeStore } from '../../../src/tokens/one-time-store.js'
import { oneTimeContract } from '../../support/contracts/one-time.js'

oneTimeContract(t, async () => {
  const store = new MemoryOneTimeStore()
  return [store, store]
})

t.test('a full store accepts nothing until an item is fetched', async (t) => {
  const store = new MemoryOneTimeStore(2)
  t.same([store.put('a', '', 60_000), store.put('b', '', 60_000), store.put('c', '', 60_000)], ['put', 'put', 'full'])
  t.equal(store.isFull(), true)
  store.take('a')
  t.equal(store.isFull(), false)
  t.equal(store.put('c', '', 60_000), 'put')
})
