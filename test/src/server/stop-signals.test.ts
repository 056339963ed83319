/** onStopSignals tells the first signal from a second one. */
import t, { type Test } from 'tap'
import { onStopSignals } from '../../../src/server/stop-signals.js'

/** Sends the signals to the listeners alone, at the given milliseconds. */
function heard (
  t: Test,
  signals: ReadonlyArray<readonly ['SIGINT' | 'SIGTERM', number]>,
  isByNpm: boolean
): unknown[] {
  const before = { SIGINT: process.listeners('SIGINT'), SIGTERM: process.listeners('SIGTERM') }
  const told: unknown[] = []
  let ms = 0
  onStopSignals({
    first: signal => { told.push(signal) },
    again: code => { told.push(code) },
    isByNpm,
    now: () => ms
  })
  const added = (['SIGINT', 'SIGTERM'] as const).map(signal => {
    const [listener = () => {}] = process.listeners(signal).filter(one => !before[signal].includes(one))
    t.teardown(() => { process.off(signal, listener) })
    return [signal, listener] as const
  })
  for (const [signal, at] of signals) {
    ms = at
    new Map(added).get(signal)?.(signal)
  }
  return told
}

for (const [what, signals, expected, isByNpm = false] of [
  ['one signal', [['SIGTERM', 1]], ['SIGTERM']],
  ['a second SIGTERM at any time', [['SIGTERM', 1], ['SIGTERM', 2]], ['SIGTERM', 143]],
  ['a second SIGTERM with npm', [['SIGTERM', 1], ['SIGTERM', 2]], ['SIGTERM', 143], true],
  ['a second SIGINT at any time', [['SIGINT', 1], ['SIGINT', 1]], ['SIGINT', 130]],
  ['SIGTERM after SIGINT', [['SIGINT', 1], ['SIGTERM', 2]], ['SIGINT', 143], true],
  ['SIGINT after SIGTERM', [['SIGTERM', 1], ['SIGINT', 2]], ['SIGTERM', 130], true],
  ['SIGINT twice for one Ctrl-C with npm', [['SIGINT', 1], ['SIGINT', 400]], ['SIGINT'], true],
  ['a later Ctrl-C with npm', [['SIGINT', 1], ['SIGINT', 20], ['SIGINT', 900]], ['SIGINT', 130], true]
] as const) {
  t.test(`onStopSignals hears ${what}`, async t => {
    t.same(heard(t, signals, isByNpm), expected)
  })
}
