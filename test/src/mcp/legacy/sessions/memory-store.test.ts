/** The sessions of a single process. */
import t from 'tap'
import { SessionsInMemory } from '../../../../../src/mcp/legacy/sessions/memory-store.js'
import { sessionStoreContract } from '../../../../support/contracts/session-store.js'

sessionStoreContract(t, async bounds => {
  const store = new SessionsInMemory(bounds)
  return [store, store]
})
