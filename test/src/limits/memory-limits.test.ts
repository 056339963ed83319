/** The limits of one process. */
import t from 'tap'
import { bucketOf, partsOf } from '../../../src/limits/limits.js'
import { MemoryLimits } from '../../../src/limits/memory-limits.js'
import { limitsContract } from '../../support/contracts/limits.js'

limitsContract(t, async () => {
  const limits = new MemoryLimits()
  return [limits, limits]
})

t.test('take answers synchronously', async (t) => {
  const taken = new MemoryLimits().take([{ bucket: bucketOf('caller', 'jwt:ada'), cost: 1, max: 1, windowMs: 1000 }])
  t.same(taken, [{ fits: true, used: 1, ttlMs: 1000 }])
})

t.test('partsOf is the inverse of bucketOf', async (t) => {
  for (const [owner, name] of [['jwt:a b: c', ''], ['2001:db8::/64', ''], ['user: x', 'read.file']] as const) {
    t.same(partsOf(bucketOf('tool', owner, name)), { kind: 'tool', name, owner })
  }
})
