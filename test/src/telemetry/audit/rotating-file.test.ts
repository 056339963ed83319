/** Rotation of the audit file: several processes, missing rights, and a clock that was set back. */
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { asideNames } from '../../../../src/telemetry/audit/files.js'
import { verifyAudit } from '../../../../src/telemetry/audit/verify.js'
import { called, openAudit } from '../../../support/audit.js'
import { until } from '../../../support/until.js'

t.test('processes that rotate one file at the same time lose no record', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const logs = await Promise.all(
    Array.from({ length: 6 }, async () => (await openAudit(t, { file, maxBytes: 2000, keep: 1000 })).audit)
  )
  for (let round = 0; round < 80; round++) {
    for (const audit of logs) for (let i = 0; i < 20; i++) audit.note(called)
    await sleep(12)
  }
  await Promise.all(logs.map(async audit => { await audit.close() }))
  const names = await asideNames(file)
  t.ok(names.length > 0)
  const files = [...names.map(name => join(dirname(file), name)), file]
  t.match(await verifyAudit(files), { fault: undefined, records: 6 * (2 + 80 * 20), chains: 6, notes: [] })
})

t.test('a file that cannot be rotated is still written, and degrades the service', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  // In the place of the lock, for no rights stop root. Old, because a lock could be in use.
  writeFileSync(`${file}.lock`, '')
  utimesSync(`${file}.lock`, 0, 0)
  const { audit, lines } = await openAudit(t, { file, maxBytes: 300, maxQueuedBytes: 3000 })
  for (let i = 0; i < 30; i++) {
    audit.note(called)
    await until(() => audit.queuedBytes === 0)
  }
  t.match([audit.isDegraded, audit.dropped], [true, 0])
  t.match(lines, [{ level: 'error', fields: { code: 'ENOTDIR' }, message: /cannot be rotated/ }])
  t.match(await verifyAudit([file]), { fault: undefined, records: 31 })
  rmSync(`${file}.lock`)
  await until(() => {
    audit.note(called)
    return !audit.isDegraded
  })
  t.match(lines.at(-1), { level: 'info', message: /can be rotated again/ })
  await audit.close()
  t.equal((await asideNames(file)).length > 0, true)
})

t.test('a removed file is replaced even if the clock was set back', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const { audit } = await openAudit(t, { file })
  await until(() => audit.queuedBytes === 0)
  const { now } = Date
  t.teardown(() => { Date.now = now })
  Date.now = () => now() - 24 * 3600_000
  rmSync(file)
  await until(() => {
    audit.note(called)
    return existsSync(file)
  })
  t.match(readFileSync(file, 'utf8').split('\n')[0], /"continues":\d/)
})

t.test('a removed directory that exists again is written and not reported as unrotatable', async t => {
  const directory = join(t.testdir({}), 'logs')
  mkdirSync(directory)
  const file = join(directory, 'audit.jsonl')
  const { audit, lines } = await openAudit(t, { file, maxBytes: 300 })
  await until(() => audit.queuedBytes === 0)
  rmSync(directory, { recursive: true })
  await until(() => {
    audit.note(called)
    return audit.isDegraded
  })
  mkdirSync(directory)
  await until(() => !audit.isDegraded && existsSync(file))
  await audit.close()
  t.same(lines.filter(({ level }) => level === 'error').map(({ message }) => message.slice(0, 33)), [
    'The audit file cannot be written:'
  ])
})
