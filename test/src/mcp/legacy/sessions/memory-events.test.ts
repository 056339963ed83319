/** The event log of a single process. */
import t from 'tap'
import { EventsInMemory } from '../../../../../src/mcp/legacy/sessions/memory-events.js'
import { eventLogContract } from '../../../../support/contracts/event-log.js'

eventLogContract(t, async bounds => {
  const log = new EventsInMemory(bounds)
  return [log, log]
})
