/** Every observer of decisions passes the same contract. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import t from 'tap'
import { AuditLog } from '../../../src/telemetry/audit/audit-log.js'
import { writeLine } from '../../../src/telemetry/log-line.js'
import { Measures } from '../../../src/telemetry/measures.js'
import { Metrics } from '../../../src/telemetry/metrics/metrics.js'
import { Tracing } from '../../../src/telemetry/tracing.js'
import { observerContract } from '../../support/contracts/observer.js'

const silent = { debug: () => {}, info: () => {}, error: () => {} }

t.test('the log line', async t => {
  await observerContract(t, async () => ({
    observer: { note: decision => { writeLine(decision, silent, 'all') } }
  }))
})

t.test('the audit', async t => {
  await observerContract(t, async t => {
    const directory = mkdtempSync(join(tmpdir(), 'observer-'))
    const observer = await AuditLog.open({ file: join(directory, 'audit.jsonl'), stream: { write: () => {} } }, silent)
    t.teardown(async () => {
      await observer.close()
      rmSync(directory, { recursive: true })
    })
    return { observer }
  })
})

t.test('the metrics', async t => {
  await observerContract(t, async t => {
    const observer = new Metrics(new Measures())
    t.teardown(() => { observer.close() })
    return { observer }
  })
})

t.test('tracing', async t => {
  trace.setGlobalTracerProvider(new BasicTracerProvider())
  await observerContract(t, async () => {
    const observer = await Tracing.load({ measures: new Measures(), log: silent, onActive: () => {} })
    if (observer === undefined) throw new Error('@opentelemetry/api is not installed')
    const message = { method: 'tools/call', params: {}, id: 1, caller: {} }
    return { observer, span: () => observer.begin(message) }
  })
})
