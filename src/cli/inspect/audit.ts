/** `audit`: verifies audit files and prints their records. */
import { Command, InvalidArgumentError } from 'commander'
import { isRecord } from '../../lib/guards.js'
import { escapeUnprintable } from '../../log/printable-line.js'
import { linesOf } from '../../telemetry/audit/files.js'
import { parsedAtEnd } from '../../telemetry/audit/read-line.js'
import { type ToldHead, verifyFiles, type AuditReport } from '../../telemetry/audit/verify.js'
import { settingsWith } from '../state/settings.js'
import { isDay, once } from '../terminal/parse-arguments.js'
import { safeText, table } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'
import { reading } from './audit-files.js'

const instead = 'the audit files'

const help = `
Without files, reads AUDIT_FILE and its rotated files. Rotated files are sorted by their names.

  $ fastify-mcp-auth audit verify
  $ fastify-mcp-auth audit verify audit.jsonl* --log server.log
  $ fastify-mcp-auth audit show --principal user:ada --outcome denied --since 2026-01-31T12:00:00Z`

export function auditCommand (terminal: Terminal, fail: () => void): Command {
  const command = new Command('audit').description('verify and read the audit log').addHelpText('after', help)
  command.addCommand(verifyCommand(terminal, fail))
  command.addCommand(showCommand(terminal))
  return command
}

function verifyCommand (terminal: Terminal, fail: () => void): Command {
  return new Command('verify')
    .description('find the first record that was changed, removed, moved or cut off')
    .argument('[files...]', 'audit files, oldest first')
    .option(
      '-l, --log <file>',
      'also compare with the "audit head" lines of this log; only this detects a cut end',
      once('--log')
    )
    .option('--json', 'as JSON')
    .action(async (files: string[], { log, json = false }: { readonly log?: string, readonly json?: boolean }) => {
      const { AUDIT_KEY: key } = settingsWith('AUDIT_KEY', terminal).config
      // The log is read first: the records of its heads are then already in the files.
      const heads = log === undefined ? [] : await headsIn(log, terminal)
      const verdict = await reading(files, { terminal, instead }, async opened =>
        await verifyFiles(opened, { key, heads })
      )
      const notes = [
        ...log === undefined || heads.length > 0 ? [] : [noHeads(log)],
        ...verdict.records > 0 || verdict.fault !== undefined ? [] : ['the files contain no record']
      ]
      const told = { ...verdict, notes: [...notes, ...verdict.notes] }
      terminal.print(json ? escapeUnprintable(JSON.stringify(told, null, 2)) : report(told))
      if (verdict.fault !== undefined) fail()
    })
}

function report ({ records, chains, fault, notes }: AuditReport): string {
  const found = fault === undefined
    ? `OK: ${records} ${records === 1 ? 'record' : 'records'} in ${chains} ${chains === 1 ? 'chain' : 'chains'}.`
    : `${fault.file}:${fault.line}: ${fault.kind}: ${fault.what}. ${intact(records)}`
  return [found, ...notes.map(note => `Note: ${note}.`)].map(safeText).join('\n')
}

function intact (records: number): string {
  if (records === 0) return 'There are no records before it.'
  return records === 1 ? 'The record before it is intact.' : `The ${records} records before it are intact.`
}

function noHeads (log: string): string {
  return `${log} has no "audit head" line, so a cut end cannot be detected`
}

interface Filter {
  readonly principal?: string
  readonly tool?: string
  readonly since?: number
  readonly outcome?: string
  readonly json?: boolean
}

function showCommand (terminal: Terminal): Command {
  return new Command('show')
    .description('show the records, oldest first')
    .argument('[files...]', 'audit files, oldest first')
    .option('-p, --principal <id>', 'only records of this caller, as shown by whoami', once('--principal'))
    .option('-t, --tool <name>', 'only calls of this tool', once('--tool'))
    .option('-s, --since <time>', 'only records since this time, such as 2026-01-31T12:00:00Z', time)
    .option('-o, --outcome <outcome>', 'allowed, denied or failed', outcome)
    .option('--json', 'as JSON, one record per line')
    .action(async (files: string[], filter: Filter) => {
      const rows: string[][] = []
      const flush = (): void => {
        if (rows.length > 0) terminal.print(table([headings, ...rows]))
        rows.length = 0
      }
      let isFound = false
      let skipped = 0
      await reading(files, { terminal, instead }, async opened => {
        for (const file of opened) {
          for await (const line of linesOf(file)) {
            const record = parsedAtEnd(line)
            if (!isSealed(record)) skipped += line === '' ? 0 : 1
            else if (typeof record.seq === 'number' && matches(record, filter)) {
              isFound = true
              if (filter.json === true) terminal.print(escapeUnprintable(JSON.stringify(record)))
              else rows.push(rowOf(record))
            }
            if (rows.length === rowsAtOnce) flush()
          }
        }
      })
      flush()
      if (!isFound && filter.json !== true) terminal.print('No record matches.')
      if (skipped > 0) terminal.complain(skippedText(skipped))
    })
}

function skippedText (count: number): string {
  const lines = count === 1 ? '1 line is not an audit record' : `${count} lines are not audit records`
  return `Note: ${lines}; "audit verify" shows the first.`
}

/** True for a record, and for the first line of a rotated file. */
function isSealed (record: RecordLine | undefined): record is RecordLine {
  return typeof record?.hash === 'string' && (typeof record.seq === 'number' || typeof record.continues === 'number')
}

type RecordLine = Readonly<Record<string, unknown>>

const headings = ['TIME', 'WHO', 'FROM', 'WHAT', 'OUTCOME', 'CODE', 'REQUEST']
/** Rows are printed in batches, because an audit file may be larger than the memory. */
const rowsAtOnce = 1000

function matches (
  record: RecordLine,
  { principal, tool, since, outcome }: Filter
): boolean {
  if (principal !== undefined && record.principal !== principal) return false
  if (tool !== undefined && !(record.itemKind === 'tool' && record.item === tool)) return false
  if (outcome !== undefined && record.outcome !== outcome) return false
  return since === undefined || Date.parse(String(record.at)) >= since
}

function rowOf (record: RecordLine): string[] {
  const { kind, method, item, keyId } = record
  const isRequest = kind === 'called' || kind === 'limited' || kind === 'refused'
  const what = [isRequest ? method ?? kind : kind, isRequest ? item : undefined].filter(isText).join(' ')
  const who = record.principal ?? (isText(keyId) ? `key ${keyId}` : undefined)
  return [record.at, who, record.address, what, record.outcome, record.code, record.requestId].map(cell =>
    isText(cell) && cell !== '' ? cell : '-'
  )
}

/** The server writes no other values in these places. */
function isText (value: unknown): value is string {
  return typeof value === 'string'
}

/** Reads the "audit head" lines of a log. */
async function headsIn (log: string, terminal: Terminal): Promise<ToldHead[]> {
  const heads: ToldHead[] = []
  await reading([log], { terminal, instead }, async ([file]) => {
    if (file === undefined) return
    for await (const line of linesOf(file)) {
      const fields = line.includes('"audit head"') ? parsedAtEnd(line) : undefined
      if (fields?.msg !== 'audit head' || !isRecord(fields.audit)) continue
      const { boot, seq, hash } = fields.audit
      if (typeof boot === 'string' && typeof seq === 'number' && typeof hash === 'string') {
        heads.push({ boot, seq, hash, at: typeof fields.time === 'number' ? fields.time : undefined })
      }
    }
  })
  return heads
}

function time (text: string, before?: number): number {
  once('--since')(text, before?.toString())
  const [day = ''] = /^\d{4}-\d\d-\d\d(?=T[\d:.]+(?:Z|[+-]\d\d:\d\d)$|$)/.exec(text) ?? []
  const value = isDay(day) ? Date.parse(text) : NaN
  if (Number.isNaN(value)) {
    throw new InvalidArgumentError('It must be a day or a time with a zone, such as 2026-01-31T12:00:00Z.')
  }
  return value
}

function outcome (text: string, before?: string): string {
  once('--outcome')(text, before)
  if (!['allowed', 'denied', 'failed'].includes(text)) {
    throw new InvalidArgumentError('It must be allowed, denied or failed.')
  }
  return text
}
