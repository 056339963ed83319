/** Tests of `health()` that every shared store must pass. `open` returns an available store. */
import type { Test } from 'tap'
import type { FleetHealth } from '../../../src/fleet/health.js'
import { until } from '../until.js'

export interface OpenHealth {
  readonly health: () => FleetHealth
  /** Makes the store unavailable, and available again. Undefined if the store is always available. */
  readonly fail?: () => void
  readonly recover?: () => void
}

export async function healthContract (t: Test, open: (t: Test) => Promise<OpenHealth>): Promise<void> {
  t.test('health is plain JSON with every field', async t => {
    const { health } = await open(t)
    const now = health()
    t.same(JSON.parse(JSON.stringify(now)), now)
    t.same(Object.keys(now).sort(), ['byPolicy', 'instances', 'newsAgeMs', 'reason', 'since', 'state'])
    for (const name of ['byPolicy', 'instances', 'newsAgeMs', 'since'] as const) {
      t.ok(Number.isFinite(now[name]) && now[name] >= 0, `${name} is ${now[name]}`)
    }
  })

  t.test('health of an available store has no reason', async t => {
    const { health } = await open(t)
    const { state, reason, byPolicy, instances, since } = health()
    t.match(state, /^(?:alone|ok)$/)
    t.equal(reason, '')
    t.equal(byPolicy, 0)
    t.ok(instances >= 1)
    t.ok(since <= Date.now())
  })

  t.test('health is degraded while the store is unavailable', async t => {
    const { health, fail, recover } = await open(t)
    if (fail === undefined || recover === undefined) {
      t.match(health().state, /^(?:alone|ok)$/)
      return
    }
    const before = health()
    fail()
    await until(() => health().state === 'degraded')
    t.match(health().reason, /^[A-Z_]+$/, 'a constant or the code of an error')
    t.not(before.state, 'degraded', 'an earlier result does not change')
    recover()
    await until(() => health().state !== 'degraded')
    t.equal(health().reason, '')
  })
}
