/** How long a caller that resumes a stream waits for the event log. */
import t from 'tap'
import type { KeptStream } from '../../../../../src/mcp/legacy/sessions/event-log.js'
import { readSoon } from '../../../../../src/mcp/legacy/sessions/follow-stream.js'

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
    }), found)
    t.same(counts, { reads, looks })
  })
}
