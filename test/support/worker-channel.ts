/** A worker and its primary in one process. Messages pass through JSON, as between processes. */
import type { EventBoundsOptions } from '../../src/mcp/legacy/sessions/event-bounds.js'
import { Channel } from '../../src/workers/channel.js'
import { PortsHost } from '../../src/workers/host.js'

type Listener = (message: unknown) => void

/** `die` tells the primary that the worker has exited. */
export function channelTo (host: PortsHost): { channel: Channel, die: () => void } {
  const toWorker: Listener[] = []
  const toPrimary: Listener[] = []
  const gone: Array<() => void> = []
  const say = (listeners: readonly Listener[]) => (message: object): void => {
    const text = JSON.stringify(message)
    setImmediate(() => { for (const listener of listeners) listener(JSON.parse(text)) })
  }
  host.attach({
    send: say(toWorker),
    onMessage: listener => { toPrimary.push(listener) },
    onGone: listener => { gone.push(listener) }
  })
  const channel = new Channel({ send: say(toPrimary), onMessage: listener => { toWorker.push(listener) } })
  return { channel, die: () => { for (const listener of gone) listener() } }
}

/** Returns the channels of two workers of one primary. */
export function twoChannels (eventBounds?: EventBoundsOptions): [Channel, Channel] {
  const host = new PortsHost({ eventBounds })
  return [channelTo(host).channel, channelTo(host).channel]
}
