/** How a caller that resumes a stream waits for the event log, and gets the rest of a stream that ends meanwhile. */
import t from 'tap'
import { InProcessBus } from '../../../../../src/fleet/in-process-bus.js'
import type { KeptStream } from '../../../../../src/mcp/legacy/sessions/event-log.js'
import { followStream, readSoon } from '../../../../../src/mcp/legacy/sessions/follow-stream.js'
import { EventsInMemory } from '../../../../../src/mcp/legacy/sessions/memory-events.js'
import { EventStream } from '../../../../../src/mcp/wire/event-stream.js'
import { eventsOf } from '../../../../support/service.js'

const kept: KeptStream = { requests: [1], isOver: true, events: [] }

/** Returns nothing for the first `misses` reads. */
function log (misses: number) {
  const counts = { reads: 0, looks: 0 }
  const read = (): KeptStream | undefined => ++counts.reads > misses ? kept : undefined
  return { counts, read }
}

for (const [what, misses, alive, found, reads, looks] of [
  ['a logged stream is read once, without a check of its writer', 0, true, kept, 1, 0],
  ['a stream of a dead instance is read once', 1, false, undefined, 1, 1],
  ['a stream that its writer logs a little later is found', 3, true, kept, 4, 1],
  ['a stream that is never logged is abandoned after a few reads', 100, true, undefined, 8, 1]
] as const) {
  t.test(what, async t => {
    const { counts, read } = log(misses)
    t.equal(await readSoon(read, () => {
      counts.looks += 1
      return alive
    }, () => undefined), found)
    t.same(counts, { reads, looks })
  })
}

const answer = { jsonrpc: '2.0', id: 7, result: {} }

for (const [what, isAnswered, outcome] of [
  ['the rest of a stream that ends after the first read is sent', true, answer],
  ['a call without an answer and without its instance gets an error', false, { id: 7, error: {} }]
] as const) {
  t.test(what, async t => {
    const [log, bus] = [new EventsInMemory(), new InProcessBus()]
    for (const name of [`${bus.id}-1`, 'dead-1']) {
      log.open('session', name, [7], true)
      const kept = log.read('session', name, 0)
      if (kept === undefined) throw new Error('the stream is not in the log')
      if (isAnswered) {
        log.append('session', name, { n: 1, message: JSON.stringify(answer) })
        log.finish('session', name)
      }
      const stream = new EventStream()
      let text = ''
      stream.readable.setEncoding('utf8').on('data', chunk => { text += String(chunk) })
      // Its post is gone.
      const session = { id: 'session', writerOf: () => undefined }
      await followStream({ session, bus, log, stream, name, n: 0, kept, requestId: 'resumes' })
      await new Promise(resolve => stream.readable.once('close', resolve))
      t.match(eventsOf(text), [outcome], name)
      t.equal(eventsOf(text).length, 1)
    }
  })
}
