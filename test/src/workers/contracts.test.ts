/** The ports of workers do what those of one process do. */
import t from 'tap'
import { Channel } from '../../../src/workers/channel.js'
import { PortsHost } from '../../../src/workers/host.js'
import { WorkerBus, WorkerKnownThere, WorkerLimits, workerOneTimeStore } from '../../../src/workers/ports.js'
import { busContract } from '../../support/contracts/bus.js'
import { knownThereContract } from '../../support/contracts/known-there.js'
import { limitsContract } from '../../support/contracts/limits.js'
import { oneTimeContract } from '../../support/contracts/one-time.js'

type Listener = (message: unknown) => void

/** A worker and its primary in one process: what they say goes through JSON, as between processes. */
function channelTo (host: PortsHost): { channel: Channel, die: () => void } {
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

function two (): [Channel, Channel] {
  const host = new PortsHost()
  return [channelTo(host).channel, channelTo(host).channel]
}

t.test('limits', async (t) => {
  const limits = two().map(channel => new WorkerLimits(channel)) as [WorkerLimits, WorkerLimits]
  await limitsContract(t, async () => limits)
})

t.test('known there', async (t) => {
  const [a, b] = two()
  await knownThereContract(t, async () => [new WorkerKnownThere(a, 60_000), new WorkerKnownThere(b, 60_000)])
})

t.test('one-time items', async (t) => {
  const [a, b] = two()
  await oneTimeContract(t, async () => [workerOneTimeStore(a), workerOneTimeStore(b)])
})

t.test('bus', async (t) => {
  await busContract(t, async () => {
    const [a, b] = two()
    const buses = [new WorkerBus(a), new WorkerBus(b)] as const
    // The primary knows both once it has answered.
    await Promise.all([a.call('once', 'isFull'), b.call('once', 'isFull')])
    return buses
  })
})

t.test('a worker that exits is reported as dead', async (t) => {
  const host = new PortsHost()
  const [one, other] = [channelTo(host), channelTo(host)]
  const [a, b] = [new WorkerBus(one.channel), new WorkerBus(other.channel)]
  await other.channel.call('once', 'isFull')
  t.equal(await a.isAlive(b.id), true)
  other.die()
  t.equal(await a.isAlive(b.id), false)
  t.equal(await a.tell(b.id, 'topic', 1), false)
})

for (const [port, method] of [
  ['limits', 'nothing'],
  ['nothing', 'take'],
  ['__proto__', 'x'],
  ['sessions', 'create']
] as const) {
  t.test(`${port}.${method} fails with NotSharedError, and the primary continues`, async t => {
    const [channel] = two()
    await t.rejects(channel.call(port, method), { name: 'NotSharedError' })
    t.equal(await channel.call('once', 'isFull'), false)
  })
}
