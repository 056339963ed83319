/** `audit`: verifies audit files and prints their records. */
import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { codeOf, isRecord } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { escapeUnprintable } from '../../log/printable-line.js'
import { type AuditFile, closeFiles, linesOf, openAudit, openFiles } from '../../telemetry/audit/files.js'
import { type ToldHead, verifyFiles, type AuditReport } from '../../telemetry/audit/verify.js'
import { settingsWith } from '../state/settings.js'
import { safeText, table } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
Without files, reads AUDIT_FILE and its rotated files.

  $ fastify-mcp-auth audit verify
  $ fastify-mcp-auth audit verify audit.jsonl.* audit.jsonl --log server.log
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
    .option('-l, --log <file>', 'also compare with the "audit head" lines of this log; only this detects a cut end')
    .option('--json', 'as JSON')
    .action(async (files: string[], { log, json = false }: { readonly log?: string, readonly json?: boolean }) => {
      const { AUDIT_KEY: key } = settingsWith('AUDIT_KEY', terminal).config
      // The log is read first: the records of its heads are then already in the files.
      const heads = log === undefined ? [] : await headsIn(resolve(terminal.directory, log))
      const verdict = await reading(files, terminal, async opened => await verifyFiles(opened, { key, heads }))
      const notes = log === undefined || heads.length > 0 ? [] : [noHeads(log)]
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
    .option('-p, --principal <id>', 'only records of this caller, as shown by whoami')
    .option('-t, --tool <name>', 'only calls of this tool')
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
      await reading(files, terminal, async opened => {
        for (const file of opened) {
          for await (const record of recordsIn(file)) {
            if (!matches(record, filter)) continue
            isFound = true
            if (filter.json === true) terminal.print(escapeUnprintable(JSON.stringify(record)))
            else rows.push(rowOf(record))
            if (rows.length === rowsAtOnce) flush()
          }
        }
      })
      flush()
      if (!isFound && filter.json !== true) terminal.print('No record matches.')
    })
}

const headings = ['TIME', 'WHO', 'FROM', 'WHAT', 'OUTCOME', 'CODE', 'REQUEST']
/** Rows are printed in batches, because an audit file may be larger than the memory. */
const rowsAtOnce = 1000

function matches (
  record: Readonly<Record<string, unknown>>,
  { principal, tool, since, outcome }: Filter
): boolean {
  if (principal !== undefined && record.principal !== principal) return false
  if (tool !== undefined && !(record.itemKind === 'tool' && record.item === tool)) return false
  if (outcome !== undefined && record.outcome !== outcome) return false
  return since === undefined || Date.parse(String(record.at)) >= since
}

function rowOf (record: Readonly<Record<string, unknown>>): string[] {
  const { at, principal, keyId, address, kind, method, item, outcome, code, requestId } = record
  const what = kind === 'called' || kind === 'limited' || kind === 'refused' ? [method ?? kind, item] : [kind]
  const who = principal ?? (keyId === undefined ? '-' : `key ${String(keyId)}`)
  return [at, who, address ?? '-', what.filter(Boolean).join(' '), outcome, code ?? '-', requestId ?? '-'].map(String)
}

/** Skips lines that are not records. `verify` reports them. */
async function * recordsIn (file: AuditFile): AsyncGenerator<Readonly<Record<string, unknown>>> {
  for await (const line of linesOf(file)) {
    const record = parsed(line)
    if (record !== undefined && typeof record.seq === 'number') yield record
  }
}

/** Reads the "audit head" lines of a log. Journals and container engines may put a prefix before the JSON. */
async function headsIn (path: string): Promise<ToldHead[]> {
  const heads: ToldHead[] = []
  await readingFiles([path], async ([file]) => {
    if (file === undefined) return
    for await (const line of linesOf(file)) {
      const fields = line.includes('"audit head"') ? parsed(line.slice(Math.max(0, line.indexOf('{')))) : undefined
      if (fields?.msg !== 'audit head' || !isRecord(fields.audit)) continue
      const { boot, seq, hash } = fields.audit
      if (typeof boot === 'string' && typeof seq === 'number' && typeof hash === 'string') {
        heads.push({ boot, seq, hash, at: typeof fields.time === 'number' ? fields.time : undefined })
      }
    }
  })
  return heads
}

/** Runs `work` with the given files, or with `AUDIT_FILE` and its rotated files. */
async function reading<T> (
  given: readonly string[],
  terminal: Terminal,
  work: (files: readonly AuditFile[]) => Promise<T>
): Promise<T> {
  if (given.length > 0) return await readingFiles(given.map(file => resolve(terminal.directory, file)), work)
  const { AUDIT_FILE: file } = settingsWith('AUDIT_FILE', terminal).config
  if (file === undefined) throw new OperatorError('AUDIT_FILE is not set: set it, or pass the audit files.')
  return await readingFiles(resolve(terminal.directory, file), work)
}

/** A single path also stands for its rotated files. */
async function readingFiles<T> (
  paths: string | readonly string[],
  work: (files: readonly AuditFile[]) => Promise<T>
): Promise<T> {
  let files: readonly AuditFile[] = []
  try {
    files = typeof paths === 'string' ? await openAudit(paths) : await openFiles(paths)
    return await work(files)
  } catch (error) {
    const { path, syscall } = error as NodeJS.ErrnoException
    if (syscall === undefined) throw error
    throw new OperatorError(`${path ?? 'A file'} cannot be read (${codeOf(error)}).`)
  } finally {
    await closeFiles(files)
  }
}

function parsed (line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function time (text: string): number {
  const value = /^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(value)) {
    throw new InvalidArgumentError('It must be a day or a time with a zone, such as 2026-01-31T12:00:00Z.')
  }
  return value
}

function outcome (text: string): string {
  if (!['allowed', 'denied', 'failed'].includes(text)) {
    throw new InvalidArgumentError('It must be allowed, denied or failed.')
  }
  return text
}
