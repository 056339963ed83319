/** The audit log when its file cannot be written. It never blocks or stops the server. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmdirSync, rmSync, statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { canonicalJson } from '../../../../src/lib/canonical-json.js'
import { AuditLog } from '../../../../src/telemetry/audit/audit-log.js'
import { asideNames } from '../../../../src/telemetry/audit/files.js'
import { verifyAudit } from '../../../../src/telemetry/audit/verify.js'
import { called, openAudit } from '../../../support/audit.js'
import { until } from '../../../support/until.js'

t.test('a record is canonical JSON without its hash', async t => {
  const lines: string[] = []
  const { audit } = await openAudit(t, { stream: { write: line => { lines.push(line) } } })
  audit.note(called)
  audit.note({
    ...called,
    about: { z: 1, a: { d: 1, c: 2 } },
    arguments: () => ({ values: { 10: 'ten', 9: 'nine' }, loggable: ['10', '9'] }),
    http: { status: 200, isCut: true, isGoodProbe: false }
  })
  for (const line of lines) {
    const { hash, ...record } = JSON.parse(line)
    t.equal(line, `${canonicalJson(record).slice(0, -1)},"hash":"${hash}"}\n`)
  }
  t.match(JSON.parse(lines[1] ?? ''), { seq: 2, ms: 1.23, at: '1970-01-01T00:00:00.000Z' })
  t.match(JSON.parse(lines[2] ?? ''), { args: { values: { 9: 'nine', 10: 'ten' } }, cut: true })
})

t.test('a tool named like a credential is redacted', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const { audit } = await openAudit(t, { file, secrets: ['a-plain-old-key'] })
  audit.note({ ...called, item: 'a-plain-old-key', itemKind: 'tool' })
  audit.note({ ...called, item: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln', itemKind: 'tool' })
  await audit.close()
  t.notMatch(readFileSync(file, 'utf8'), /a-plain-old-key|eyJ/)
  t.equal((await verifyAudit([file])).fault, undefined)
})

t.test('a file that cannot be opened stops the start', async t => {
  await t.rejects(
    AuditLog.open({ file: join(t.testdir({}), 'missing', 'audit.jsonl') }, { info () {}, error () {} }),
    { name: 'AuditFileError', message: /ENOENT/ }
  )
})

t.test('the audit file is private', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  await openAudit(t, { file })
  t.equal(statSync(file).mode & 0o777, 0o600)
})

t.test(
  'a full disk drops records, degrades the service and blocks nothing',
  { skip: existsSync('/dev/full') ? false : 'needs /dev/full' },
  async t => {
    const { audit, lines } = await openAudit(t, { file: '/dev/full', maxQueuedBytes: 2000 })
    for (let i = 0; i < 100; i++) audit.note(called)
    t.ok(audit.dropped > 50)
    await until(() => lines.length > 0)
    t.match(lines[0], { level: 'error', fields: { code: 'ENOSPC' } })
    t.equal(audit.isDegraded, true)
    await audit.close()
  }
)

/** Mounts a small file system that the test can fill. Only root may mount. */
function smallDisk (t: Test): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'small-disk-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory])
  t.teardown(() => {
    if (status === 0) execFileSync('umount', ['-l', directory])
    rmdirSync(directory)
  })
  return status === 0 ? directory : undefined
}

t.test('a partly written line is completed when there is room', async t => {
  const directory = smallDisk(t)
  if (directory === undefined) {
    t.comment('skipped: it needs the right to mount a tmpfs')
    return
  }
  const file = join(directory, 'audit.jsonl')
  const other = join(directory, 'other')
  writeFileSync(other, Buffer.alloc(40_000))
  const { audit, lines } = await openAudit(t, { file, maxQueuedBytes: 10_000 })
  await until(() => {
    audit.note(called)
    return lines.some(({ fields }) => fields.code === 'ENOSPC') && audit.dropped > 10
  })
  t.equal(audit.isDegraded, true)
  t.notOk(readFileSync(file, 'utf8').endsWith('\n'), 'the last line is incomplete')
  rmSync(other)
  await until(() => lines.some(({ message }) => message.includes('again')))
  audit.note(called)
  t.equal(audit.isDegraded, false)
  await audit.close()
  const { fault, records } = await verifyAudit([file])
  t.equal(fault, undefined)
  t.equal(records, readFileSync(file, 'utf8').split('\n').length - 1)
  t.match(readFileSync(file, 'utf8'), /"about":\{"count":\d+\}.*"kind":"audit-dropped"/)
})

t.test('after a full disk, pending records and the number of dropped ones are written', async t => {
  const file = join(t.testdir({}), 'there', 'audit.jsonl')
  mkdirSync(dirname(file))
  const { audit, lines } = await openAudit(t, { file, maxQueuedBytes: 3000 })
  await until(() => audit.queuedBytes === 0)
  rmSync(dirname(file), { recursive: true })
  // The audit uses the open file for up to a second.
  await until(() => { audit.note(called); return lines.length > 0 })
  while (audit.dropped < 10) audit.note(called)
  mkdirSync(dirname(file))
  await until(() => lines.some(({ message }) => message.includes('again')))
  await audit.close()
  t.match(readFileSync(file, 'utf8'), /"about":\{"count":\d+\}.*"kind":"audit-dropped"/)
  t.match(await verifyAudit([file]), { fault: undefined, notes: [/begins after record/] })
})

t.test(
  'a moved or removed file is replaced, and the chain continues',
  async t => {
    const file = join(t.testdir({}), 'audit.jsonl')
    const { audit } = await openAudit(t, { file })
    audit.note(called)
    await until(() => audit.queuedBytes === 0)
    renameSync(file, `${file}.moved`)
    await until(() => {
      audit.note(called)
      return existsSync(file)
    })
    await audit.close()
    t.match(await verifyAudit([`${file}.moved`, file]), { fault: undefined, notes: [] })
  }
)

t.test('a limited number of rotated files is kept', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const { audit } = await openAudit(t, { file, maxBytes: 300, keep: 2 })
  for (let i = 0; i < 12; i++) {
    audit.note(called)
    await until(() => audit.queuedBytes === 0)
  }
  t.equal((await asideNames(file)).length, 2)
})

t.test('rotated files stay in order if the clock is set back', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  writeFileSync(`${file}.29990101T000000-007`, '')
  const { audit } = await openAudit(t, { file, maxBytes: 300, keep: 3 })
  for (let i = 0; i < 12; i++) {
    audit.note(called)
    await until(() => audit.queuedBytes === 0)
  }
  await audit.close()
  const names = await asideNames(file)
  t.match(names, [/29990101T000000-01\d$/, /29990101T000000-01\d$/, /29990101T000000-01\d$/])
  const files = [...names.map(name => join(dirname(file), name)), file]
  t.match(await verifyAudit(files), { fault: undefined, notes: [/earlier files were not given/] })
})

t.test('a pipe without a reader blocks neither requests nor shutdown', async t => {
  const file = join(t.testdir({}), 'pipe')
  execFileSync('mkfifo', [file])
  const { audit, lines } = await openAudit(t, { file, maxQueuedBytes: 200_000 })
  for (let n = 0; audit.dropped === 0; n++) {
    audit.note(called)
    if (n % 100 === 0) await new Promise(resolve => { setImmediate(resolve) })
  }
  // The error of the system may arrive after the queue is full.
  await until(() => lines.length > 0)
  t.same(lines.map(({ fields }) => fields.code), ['EAGAIN'])
  await audit.close()
})

t.test('a pipe is not rotated', async t => {
  const file = join(t.testdir({}), 'pipe')
  execFileSync('mkfifo', [file])
  const { audit } = await openAudit(t, { file, maxBytes: 300 })
  for (let n = 0; n < 5; n++) {
    audit.note(called)
    await until(() => audit.queuedBytes === 0)
  }
  t.ok(statSync(file).isFIFO())
  t.same(await asideNames(file), [])
})

t.test(
  'a file of /proc or /dev is not rotated',
  { skip: existsSync('/proc/self/fd') ? false : 'needs /proc' },
  async t => {
    const file = join(t.testdir({}), 'audit.jsonl')
    const descriptor = openSync(file, 'a')
    t.teardown(() => { closeSync(descriptor) })
    const { audit, lines } = await openAudit(t, { file: `/proc/self/fd/${descriptor}`, maxBytes: 300 })
    for (let n = 0; n < 5; n++) {
      audit.note(called)
      // Each record is written by itself, and an error is logged while it waits.
      await until(() => audit.queuedBytes === 0 || lines.length > 0)
    }
    await audit.close()
    t.match(lines, [{ message: 'audit head' }])
    t.match(await verifyAudit([file]), { records: 7, fault: undefined })
  }
)

t.test('a blocked stream drops records and records their number', async t => {
  const lines: string[] = []
  let hasRoom = true
  const stream = { write: (line: string) => { lines.push(line) }, hasRoom: () => hasRoom }
  const { audit } = await openAudit(t, { stream })
  hasRoom = false
  for (let i = 0; i < 3; i++) audit.note(called)
  t.equal(audit.isDegraded, true)
  hasRoom = true
  audit.note(called)
  t.equal(audit.isDegraded, false)
  t.match(lines.map(line => JSON.parse(line)), [
    { seq: 1, kind: 'audit-opened' },
    { seq: 2, kind: 'audit-dropped', about: { count: 3 } },
    { seq: 3, kind: 'called' }
  ])
})

t.test('the head of the chain is logged at the end', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const { audit, lines } = await openAudit(t, { file })
  audit.note(called)
  await audit.close()
  const { heads } = await verifyAudit([file])
  t.match(lines.at(-1), { message: 'audit head', fields: { audit: heads[0] } })
})
