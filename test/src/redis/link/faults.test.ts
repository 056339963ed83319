/** The sentences about an unusable Redis. */
import t from 'tap'
import { outages, redisFaultOf } from '../../../../src/redis/link/faults.js'

t.test('every error that makes Redis unavailable has a sentence of its own', async t => {
  const { wrong: unreachable } = redisFaultOf('ECONNREFUSED')
  for (const code of [...outages, 'TIMEOUT', 'WRONGTYPE']) t.not(redisFaultOf(code).wrong, unreachable, code)
})
