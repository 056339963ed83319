/** Instances with different limits warn their operators once. */
import t from 'tap'
import { compareSettings } from '../../../src/fleet/same-settings.js'
import { ask, redisServer, withoutRedis } from '../../support/redis.js'
import { redisInstance } from '../../support/redis-instance.js'
import { until } from '../../support/until.js'

t.test('instances with different limits each warn once', { skip: withoutRedis }, async t => {
  const { url, port } = await redisServer(t)
  const [a, b, c] = [await redisInstance(t, url), await redisInstance(t, url), await redisInstance(t, url)]
  const told: string[] = []
  const begin = (name: string, { bus }: typeof a, settings: Record<string, number | null>): void => {
    compareSettings({ bus, settings, warn: names => { told.push(`${name}: ${names.join()}`) } })
  }
  begin('a', a, { max: 60, windowMs: 1000 })
  begin('b', b, { max: 60, windowMs: 1000, later: 1 })
  begin('c', c, { max: 90, windowMs: null })
  await until(() => told.length === 3)
  for (const text of ['{"max":90}', '[]', 'null', '7', '"x"', '{"max":{"a":1},"__proto__":{"max":1}}']) {
    const m = text.replaceAll('"', '\\"')
    await ask(port, `XADD ${a.keys.shared('news')} * t settings f z m "${m}"`)
  }
  let isOver = false
  a.bus.on('end', () => { isOver = true })
  await a.bus.tellAll('end', null)
  await until(() => isOver)
  t.same(told.filter(line => line.startsWith('c')), ['c: max,windowMs', 'c: max'])
  t.same(told.filter(line => line.startsWith('a')), ['a: max,windowMs', 'a: max', 'a: max'])
})
