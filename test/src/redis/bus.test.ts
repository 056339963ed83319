/** Messages between instances if Redis loses some, and messages for an instance that does not read. */
import t from 'tap'
import { RedisBus } from '../../../src/redis/bus.js'
import { createClients } from '../../../src/redis/link/client.js'
import { ask, redisServer, withoutRedis } from '../../support/redis.js'
import { redisInstance } from '../../support/redis-instance.js'
import { until } from '../../support/until.js'

t.test('the bus over Redis', { skip: withoutRedis }, async t => {
  const { url, port } = await redisServer(t)

  t.test('a message that was read is removed', async t => {
    const [a, b] = [await redisInstance(t, url), await redisInstance(t, url)]
    const heard: unknown[] = []
    b.bus.on('letter', message => { heard.push(message) })
    for (let n = 0; n < 50; n++) t.equal(await a.bus.tell(b.bus.id, 'letter', n), true)
    await until(() => heard.length === 50)
    t.same(heard, Array.from({ length: 50 }, (_, n) => n))
    const inbox = b.keys.shared(`in:${b.bus.id}`)
    await until(async () => (await ask(port, `XLEN ${inbox}`)).startsWith(':0'))
    await until(async () => (await ask(port, `GET ${inbox}:bytes`)).includes('\n0\r'))
  })

  t.test('pending messages of an instance are limited in bytes', async t => {
    const a = await redisInstance(t, url)
    const { commands, reader } = createClients(url)
    commands.disconnect()
    // Its heartbeat runs, but its reader never connects.
    const deaf = await redisInstance(t, url, { prefix: 'deaf:' })
    reader.disconnect()
    const bus = new RedisBus({ link: a.link, keys: deaf.keys, reader })
    t.teardown(async () => { await bus.close() })
    const silent = '00000000-0000-4000-8000-000000000000'
    await ask(port, `ZADD ${deaf.keys.shared('alive')} 99999999999999 ${silent}`)
    const letter = 'x'.repeat(1024 * 1024)
    let count = 0
    const isTold = async (): Promise<boolean> => await bus.tell(silent, 'letter', letter).catch(() => false)
    while (count < 40 && await isTold()) count += 1
    t.equal(count, 15)
    await t.rejects(bus.tell(silent, 'letter', letter), { name: 'NotSharedError' })
    t.equal(await bus.tell(silent, 'letter', 'small'), true, 'a small message still fits')
  })

  t.test('an instance that was suspended for longer than its lease gets its messages', async t => {
    const a = await redisInstance(t, url, { prefix: 'lapsed:' })
    // Its lease ends with each heartbeat.
    const b = await redisInstance(t, url, { prefix: 'lapsed:', leaseMs: 0 })
    const heard: unknown[] = []
    b.bus.on('letter', message => { heard.push(message) })
    t.equal(await a.bus.tell(b.bus.id, 'letter', 1), false)
    await until(() => heard.length === 1)
    t.same(heard, [1])
  })

  t.test('messages continue after a failover that reset their ids', async t => {
    const [a, b] = [await redisInstance(t, url, { prefix: 'back:' }), await redisInstance(t, url, { prefix: 'back:' })]
    const heard: unknown[] = []
    let gaps = 0
    b.bus.on('count', message => { heard.push(message) })
    b.bus.onGap(() => { gaps += 1 })
    await a.bus.tellAll('count', 1)
    await until(() => heard.length === 1)
    // The state of a promoted replica that lacks the last messages and whose clock is far behind.
    const news = a.keys.shared('news')
    await ask(port, `DEL ${news}`)
    await ask(port, `XADD ${news} 1-1 t count m 0 f z`)
    await ask(port, 'CLIENT KILL TYPE normal SKIPME yes')
    await until(() => gaps === 1)
    await until(() => a.link.isUp && b.link.isUp)
    await ask(port, `XADD ${news} 2-1 t count m 2 f z`)
    await until(() => heard.at(-1) === 2)
    t.same(heard, [1, 2])
  })

  t.test('after an outage no instance counts as dead too early', async t => {
    const a = await redisInstance(t, url, { prefix: 'away:', leaseMs: 10_000 })
    const [alive, beat] = [a.keys.shared('alive'), a.keys.shared('beat')]
    const now = Date.now()
    // The state after Redis was frozen: all heartbeats are old.
    await ask(port, `ZADD ${alive} ${now - 20_000} other\r\nSET ${beat} ${now - 30_000}`)
    await until(async () => !(await ask(port, `GET ${beat}`)).includes(String(now - 30_000)))
    t.equal(await a.bus.isAlive('other'), true)
    t.equal(await a.bus.tell('other', 'letter', 1), true)
    await until(async () => !(await a.bus.isAlive('other')))
    t.equal(await a.bus.tell('other', 'letter', 1), false, 'the instance did not come back')
  })

  t.test('emptying Redis under open connections is noticed', async t => {
    const a = await redisInstance(t, url, { prefix: 'flushed:' })
    let [gaps, ups] = [0, 0]
    a.bus.onGap(() => { gaps += 1 })
    a.link.onUp(() => { ups += 1 })
    await ask(port, 'FLUSHALL')
    await until(() => gaps === 1)
    t.equal(ups, 1, 'as if Redis came back')
  })
})
