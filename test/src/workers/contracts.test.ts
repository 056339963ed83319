/** The ports of workers pass the same contracts as those of one process. */
import t from 'tap'
import { PortsHost } from '../../../src/workers/host.js'
import {
  WorkerBus,
  workerEvents,
  WorkerKnownThere,
  WorkerLimits,
  workerOneTimeStore,
  workerSessions
} from '../../../src/workers/ports.js'
import { busContract } from '../../support/contracts/bus.js'
import { eventLogContract } from '../../support/contracts/event-log.js'
import { knownThereContract } from '../../support/contracts/known-there.js'
import { limitsContract } from '../../support/contracts/limits.js'
import { oneTimeContract } from '../../support/contracts/one-time.js'
import { sessionStoreContract } from '../../support/contracts/session-store.js'
import { channelTo, twoChannels } from '../../support/worker-channel.js'

t.test('limits', async (t) => {
  const limits = twoChannels().map(channel => new WorkerLimits(channel)) as [WorkerLimits, WorkerLimits]
  await limitsContract(t, async () => limits)
})

t.test('known there', async (t) => {
  const [a, b] = twoChannels()
  await knownThereContract(t, async () => [new WorkerKnownThere(a, 60_000), new WorkerKnownThere(b, 60_000)])
})

t.test('one-time items', async (t) => {
  const [a, b] = twoChannels()
  await oneTimeContract(t, async () => [workerOneTimeStore(a), workerOneTimeStore(b)])
})

t.test('bus', async (t) => {
  await busContract(t, async () => {
    const [a, b] = twoChannels()
    const buses = [new WorkerBus(a), new WorkerBus(b)] as const
    // After its answers, the primary knows both workers.
    await Promise.all([a.call('once', 'isFull'), b.call('once', 'isFull')])
    return buses
  })
})

t.test('sessions', async (t) => {
  await sessionStoreContract(t, async bounds => {
    const [a, b] = twoChannels()
    return [workerSessions(a, bounds), workerSessions(b, bounds)]
  })
})

t.test('event log', async (t) => {
  await eventLogContract(t, async bounds => {
    const [a, b] = twoChannels(bounds)
    return [workerEvents(a), workerEvents(b)]
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
    const [channel] = twoChannels()
    await t.rejects(channel.call(port, method), { name: 'NotSharedError' })
    t.equal(await channel.call('once', 'isFull'), false)
  })
}
