/** Verifies audit files and finds the first altered line. */
import { createHmac } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { canonicalJson } from '../../../../src/lib/canonical-json.js'
import { AuditLog, type AuditOptions } from '../../../../src/telemetry/audit/audit-log.js'
import { createDigest } from '../../../../src/telemetry/audit/chain.js'
import { asideNames, closeFiles, openAudit } from '../../../../src/telemetry/audit/files.js'
import { verifyAudit, verifyFiles } from '../../../../src/telemetry/audit/verify.js'
import type { Decision } from '../../../../src/telemetry/decision.js'
import { until } from '../../../support/until.js'

const log = { info: () => {}, error: () => {} }
const key = 'k'.repeat(32)

function decision (at: number, rest: Partial<Decision> = {}): Decision {
  return {
    kind: 'called',
    outcome: 'allowed',
    at,
    requestId: `r-${at}`,
    principal: 'user:ada',
    method: 'tools/call',
    itemKind: 'tool',
    item: 'search',
    ...rest
  }
}

/** Writes `count` decisions as a new process and returns the path. */
async function written (t: Test, count = 5, options: AuditOptions = {}): Promise<string> {
  const file = options.file ?? join(t.testdir({}), 'audit.jsonl')
  const audit = await AuditLog.open({ ...options, file }, log)
  for (let at = 1; at <= count; at++) {
    audit.note(
      decision(at, { arguments: () => ({ values: { q: at, b: [1, { z: 1, a: 2 }] }, loggable: ['q'] }) })
    )
  }
  await audit.close()
  return file
}

function linesOf (file: string): string[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n')
}

t.test('verifyAudit accepts unaltered records, with and without a key', async t => {
  for (const options of [{}, { key }]) {
    const file = await written(t, 5, options)
    t.match(await verifyAudit([file], options), { records: 7, chains: 1, fault: undefined, notes: [] })
    t.match(JSON.parse(linesOf(file)[1] ?? ''), {
      seq: 2,
      item: 'search',
      args: { digest: /^[0-9a-f]{64}$/, values: { q: 1 } }
    })
  }
})

t.test('the keyed digest is an HMAC for every length', async t => {
  for (const length of [1, 32, 63, 64, 65, 200]) {
    const one = 'k\u00e9'.repeat(length)
    const digest = createDigest(one)
    for (const text of ['', 'x', '\u20ac'.repeat(3000), 'y'.repeat(9000), 'z']) {
      t.equal(digest(text), createHmac('sha256', one).update(text).digest('hex'))
    }
  }
})

t.test('verifyAudit fails with another key or none', async t => {
  const file = await written(t, 2, { key })
  for (const other of [undefined, 'x'.repeat(32)]) {
    t.match((await verifyAudit([file], { key: other })).fault, { kind: 'altered', line: 1 })
  }
})

const tampering: Array<[what: string, change: (lines: string[]) => string[], fault: object]> = [
  [
    'a changed value',
    lines => lines.map((line, at) => (at === 3 ? line.replace('"user:ada"', '"user:eve"') : line)),
    { kind: 'altered', line: 4 }
  ],
  [
    'an added field',
    lines => lines.map((line, at) => (at === 3 ? line.replace('{', '{"x":1,') : line)),
    { kind: 'altered', line: 4 }
  ],
  [
    'a repeated name',
    lines => lines.map((line, at) => (at === 3 ? line.replace('{', '{"principal":"user:eve",') : line)),
    { kind: 'altered', line: 4 }
  ],
  [
    'a removed record',
    lines => lines.filter((_line, at) => at !== 3),
    { kind: 'missing', line: 4, what: /^record 5 follows record 3, without record 4$/ }
  ],
  [
    'two removed records',
    lines => lines.filter((_line, at) => at !== 2 && at !== 3),
    { kind: 'missing', line: 3, what: /^record 5 follows record 2, without records 3 to 4$/ }
  ],
  ['the first records removed', lines => lines.slice(2), { kind: 'missing', line: 1 }],
  [
    "two records in each other's place",
    ([a = '', b = '', c = '', ...rest]) => [a, c, b, ...rest],
    { kind: 'missing', line: 2 }
  ],
  [
    'a record twice',
    lines => lines.flatMap((line, at) => (at === 2 ? [line, line] : [line])),
    { kind: 'reordered', line: 4 }
  ],
  [
    'a record moved to the end',
    lines => [...lines.filter((_line, at) => at !== 3), lines[3] ?? ''],
    { kind: 'missing', line: 4 }
  ],
  [
    'the last line cut',
    lines => lines.map((line, at) => (at === lines.length - 1 ? line.slice(0, 30) : line)),
    { kind: 'cut', line: 7 }
  ],
  ['a line that is not a record', lines => ['{"level":30}', ...lines], { kind: 'foreign', line: 1 }],
  [
    'a torn line in the middle',
    lines => lines.map((line, at) => (at === 3 ? line.slice(0, 30) : line)),
    { kind: 'cut', line: 4 }
  ]
]
for (const [what, change, fault] of tampering) {
  t.test(`verifyAudit finds ${what} with its line`, async t => {
    const file = await written(t)
    writeFileSync(file, `${change(linesOf(file)).join('\n')}\n`)
    t.match((await verifyAudit([file])).fault, { file, ...fault })
  })
}

t.test('verifyAudit finds a record of another file', async t => {
  const file = await written(t)
  const other = await written(t, 5, { file: join(dirname(file), 'other.jsonl') })
  const lines = linesOf(file)
  lines.splice(3, 0, linesOf(other)[3] ?? '')
  writeFileSync(file, `${lines.join('\n')}\n`)
  t.match((await verifyAudit([file])).fault, { kind: 'foreign', line: 4 })
})

t.test('verifyAudit notes a whole chain of another file', async t => {
  const file = await written(t)
  const other = await written(t, 5, { file: join(dirname(file), 'other.jsonl') })
  for (const [minutes, notes] of [[0, []], [5, [/:8: the process that starts here found an empty file/]]] as const) {
    const at = new Date(Date.now() + minutes * 60_000).toISOString()
    const both = [...linesOf(file), ...resealed(linesOf(other), record => ({ ...record, at }))]
    writeFileSync(`${file}.both`, `${both.join('\n')}\n`)
    t.match(await verifyAudit([`${file}.both`]), { fault: undefined, notes: { ...notes, length: notes.length } })
  }
})

t.test('verifyAudit finds a cut end by the head in the log', async t => {
  const file = await written(t)
  const { heads } = await verifyAudit([file])
  t.equal((await verifyAudit([file], { heads })).fault, undefined)
  writeFileSync(file, `${linesOf(file).slice(0, -2).join('\n')}\n`)
  const after = await verifyAudit([file])
  t.equal(after.fault, undefined, 'the chain alone cannot show it')
  t.match(after.notes, [/killed/])
  t.match((await verifyAudit([file], { heads })).fault, { kind: 'cut', what: /record 7/ })
})

t.test('verifyAudit finds a cut end by the next process', async t => {
  const file = await written(t)
  await written(t, 1, { file })
  t.match(await verifyAudit([file]), { chains: 2, fault: undefined, notes: [] })
  const lines = linesOf(file)
  for (const [kept, what] of [[5, /^records 6 to 7 of /], [6, /^record 7 of /]] as const) {
    writeFileSync(file, `${lines.filter((_line, at) => at < kept || at > 6).join('\n')}\n`)
    t.match((await verifyAudit([file])).fault, { kind: 'cut', line: kept + 1, what })
  }
})

t.test('verifyAudit finds a removed process by the next process', async t => {
  const file = await written(t, 2)
  for (let n = 0; n < 2; n++) await written(t, 1, { file })
  const lines = linesOf(file)
  writeFileSync(file, `${[...lines.slice(0, 4), ...lines.slice(7)].join('\n')}\n`)
  t.match((await verifyAudit([file])).fault, { kind: 'missing', line: 5, what: /existed when this process started/ })
  const parts = [lines.slice(0, 4), lines.slice(4, 7), lines.slice(7)].map((part, n) => {
    const path = `${file}.${n}`
    writeFileSync(path, `${part.join('\n')}\n`)
    return path
  })
  t.match(await verifyAudit(parts), { records: 10, chains: 3, fault: undefined })
  t.match(await verifyAudit(parts.slice(1)), { records: 6, fault: undefined }, 'older files are optional')
  t.match((await verifyAudit([parts[0], parts[2]].map(String))).fault, { kind: 'missing', file: parts[2], line: 1 })
})

t.test('verifyAudit notes a torn line of a crash', async t => {
  const file = await written(t)
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, -40))
  await written(t, 1, { file })
  t.match(await verifyAudit([file]), {
    chains: 2,
    fault: undefined,
    notes: [/:7: a process ended while it wrote/, /killed/]
  })
})

t.test('verifyAudit follows a chain over rotated files and finds a missing one', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const audit = await AuditLog.open({ file, maxBytes: 2000, keep: 10 }, log)
  for (let at = 1; at <= 40; at++) {
    audit.note(decision(at))
    if (at % 8 === 0) await until(() => audit.queuedBytes === 0)
  }
  await audit.close()
  const aside = (await asideNames(file)).map(name => join(file, '..', name))
  t.ok(aside.length >= 3)
  const files = [...aside, file]
  t.match(await verifyAudit(files), { records: 42, fault: undefined, notes: [] })
  t.match((await verifyAudit(files.filter((_file, at) => at !== 1))).fault, {
    kind: 'missing', line: 1, what: /^the files lack records \d+ to \d+ of /
  })
  const [first = '', second = '', ...rest] = files
  t.match((await verifyAudit([second, first, ...rest])).fault, { kind: 'reordered' })
  t.match(await verifyAudit(files.slice(1)), { fault: undefined, notes: [/earlier files were not given/] })
})

t.test('verifyAudit accepts two processes in one file', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const [one, two] = [await AuditLog.open({ file }, log), await AuditLog.open({ file }, log)]
  for (let at = 1; at <= 50; at++) {
    one.note(decision(at))
    two.note(decision(at))
    if (at % 10 === 0) await until(() => one.queuedBytes + two.queuedBytes === 0)
  }
  await Promise.all([one.close(), two.close()])
  t.match(await verifyAudit([file]), { records: 104, chains: 2, fault: undefined })
})

t.test('verifyAudit accepts files that rotate while they are read', async t => {
  const file = join(t.testdir({}), 'audit.jsonl')
  const audit = await AuditLog.open({ file, maxBytes: 4000, keep: 3 }, log)
  const over = new AbortController()
  const writing = (async () => {
    for (let at = 1; !over.signal.aborted; at++) {
      audit.note(decision(at))
      if (at % 5 === 0) await new Promise(resolve => { setImmediate(resolve) })
      if (at % 50 === 0) await until(() => audit.queuedBytes === 0)
    }
  })()
  let most = 0
  for (let round = 0; round < 30; round++) {
    const files = await openAudit(file)
    const { fault, records } = await verifyFiles(files)
    await closeFiles(files)
    t.equal(fault, undefined)
    most = Math.max(most, records)
  }
  t.ok(most > 10)
  over.abort()
  await writing
  await audit.close()
  t.equal((await asideNames(file)).length, 3)
})

t.test('verifyAudit reads the record after a torn beginning', async t => {
  const file = await written(t, 3)
  const dead = readFileSync(file, 'utf8').split('\n').slice(0, 3).join('\n').slice(0, -40)
  const other = await written(t, 3, { file: join(dirname(file), 'other.jsonl') })
  writeFileSync(file, dead + readFileSync(other, 'utf8'))
  t.match(await verifyAudit([file]), {
    records: 7,
    chains: 2,
    fault: undefined,
    notes: [/:3: a process ended while it wrote this line, and another continued it/, /found an empty file/, /killed/]
  })
  writeFileSync(file, dead + readFileSync(other, 'utf8').replace('"seq":1', '"seq":9'))
  t.match((await verifyAudit([file])).fault, { kind: 'cut', line: 3 }, 'an altered line is not a record')
})

t.test('verifyAudit finds a rewritten chain by the next process', async t => {
  const file = await written(t)
  await written(t, 1, { file })
  const lines = linesOf(file)
  const forged = resealed(lines.slice(0, 7), record => ({ ...record, principal: 'user:eve' }))
  writeFileSync(file, `${[...forged, ...lines.slice(7)].join('\n')}\n`)
  t.match((await verifyAudit([file])).fault, { kind: 'altered', line: 8, what: /different when this process started/ })
})

/** A valid chain of changed records. */
function resealed (lines: readonly string[], change: (record: object) => object): string[] {
  let prev = '0'.repeat(64)
  return lines.map(line => {
    const { hash: _, ...record } = JSON.parse(line)
    const text = canonicalJson({ ...change(record), prev })
    prev = createDigest(undefined)(text)
    return `${text.slice(0, -1)},"hash":"${prev}"}`
  })
}
