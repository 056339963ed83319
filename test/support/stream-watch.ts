/** Counts the opened and the open event streams of this process. */
import { EventStream } from '../../src/mcp/wire/event-stream.js'

export interface StreamWatch {
  readonly opened: () => number
  readonly open: () => number
  readonly stop: () => void
}

/** Counts a stream when its first message is written. */
export function watchStreams (): StreamWatch {
  const { write, begin } = EventStream.prototype
  const seen = new WeakSet<EventStream>()
  let opened = 0
  let closed = 0

  function see (stream: EventStream): void {
    if (seen.has(stream)) return
    seen.add(stream)
    opened += 1
    stream.readable.once('close', () => { closed += 1 })
  }

  EventStream.prototype.write = function (message) {
    see(this)
    write.call(this, message)
  }
  EventStream.prototype.begin = function () {
    see(this)
    begin.call(this)
  }

  return {
    opened: () => opened,
    open: () => opened - closed,
    stop: () => { Object.assign(EventStream.prototype, { write, begin }) }
  }
}
