/** Tracing starts with the app's SDK, and does nothing before. */
import { ProxyTracerProvider, trace } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import t from 'tap'
import { Measures } from '../../../src/telemetry/measures.js'
import { Tracing } from '../../../src/telemetry/tracing.js'

const message = { method: 'tools/call', params: {}, id: 1, caller: {} }

for (const [what, provider, isTraced] of [
  ['without a provider', undefined, false],
  ['with a no-op provider', new ProxyTracerProvider().getDelegate(), false],
  ['with a provider of an SDK', new BasicTracerProvider(), true]
] as const) {
  t.test(`Tracing ${what}`, async t => {
    t.teardown(() => { trace.disable() })
    let activations = 0
    const tracing = await Tracing.load({
      measures: new Measures(),
      log: { error: () => { t.fail('no failure') } },
      onActive: () => { activations += 1 }
    })
    if (provider !== undefined) trace.setGlobalTracerProvider(provider)
    for (let count = 0; count < 2; count++) t.equal(tracing?.begin(message) !== undefined, isTraced)
    t.equal(activations, isTraced ? 1 : 0)
  })
}
