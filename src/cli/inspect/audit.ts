/** `audit`: verifies the files of an audit, and shows what is in them. */
import { createReadStream } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Command, InvalidArgumentError } from 'commander'
import { codeOf, isRecord } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import type { Head } from '../../telemetry/audit/chain.js'
import { asideNames } from '../../telemetry/audit/rotating-file.js'
import { verifyAudit, type Verdict } from '../../telemetry/audit/verify.js'
import { settingsWith } from '../state/settings.js'
import { table } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
Without a file: AUDIT_FILE and the files that were put aside from it.

  $ fastify-mcp-auth audit verify
  $ fastify-mcp-auth audit verify audit.jsonl.* audit.jsonl --log server.log
  $ fastify-mcp-auth audit show --principal user:ada --outcome denied --since 2026-01-31T12:00:00Z`

export function auditCommand (terminal: Terminal, fail: () => void): Command {
  const command = new Command('audit').description('verify and read the audit').addHelpText('after', help)
  command.addCommand(verifyCommand(terminal, fail))
  command.addCommand(showCommand(terminal))
  return command
}

function verifyCommand (terminal: Terminal, fail: () => void): Command {
  return new Command('verify')
    .description('find the first record that was altered, removed, moved or cut off')
    .argument('[files...]', 'audit files, the oldest first')
    .option('-l, --log <file>', 'also compare with the "audit head" lines of this log: a cut end shows in nothing else')
    .option('--json', 'as JSON')
    .action(async (files: string[], { log, json = false }: { readonly log?: string, readonly json?: boolean }) => {
      const { AUDIT_KEY: key } = settingsWith('AUDIT_KEY', terminal).config
      const paths = await filesFor(files, terminal)
      const heads = log === undefined ? [] : await headsIn(resolve(terminal.directory, log))
      const verdict = await reading(async () => await verifyAudit(paths, { key, heads }))
      terminal.print(json ? JSON.stringify(verdict, null, 2) : report(verdict))
      if (verdict.fault !== undefined) fail()
    })
}

function report ({ records, chains, fault, notes }: Verdict): string {
  const found = fault === undefined
    ? `OK: ${records} ${records === 1 ? 'record' : 'records'} in ${chains} ${chains === 1 ? 'chain' : 'chains'}.`
    : `${fault.file}:${fault.line}: ${fault.kind}: ${fault.what}. The ${records} records before it hold.`
  return [found, ...notes.map(note => `Note: ${note}.`)].join('\n')
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
    .description('show the records, the oldest first')
    .argument('[files...]', 'audit files, the oldest first')
    .option('-p, --principal <id>', 'only of this caller, as whoami shows it')
    .option('-t, --tool <name>', 'only calls of this tool')
    .option('-s, --since <time>', 'only from then on, as 2026-01-31T12:00:00Z', time)
    .option('-o, --outcome <outcome>', 'allowed, denied or failed', outcome)
    .option('--json', 'as JSON, a record a line')
    .action(async (files: string[], filter: Filter) => {
      const rows: string[][] = []
      for (const path of await filesFor(files, terminal)) {
        await reading(async () => {
          for await (const record of recordsIn(path)) {
            if (!fits(record, filter)) continue
            if (filter.json === true) terminal.print(JSON.stringify(record))
            else rows.push(rowOf(record))
          }
        })
      }
      if (filter.json === true) return
      terminal.print(
        rows.length === 0
          ? 'No record fits.'
          : table([['TIME', 'WHO', 'FROM', 'WHAT', 'OUTCOME', 'CODE', 'REQUEST'], ...rows])
      )
    })
}

function fits (record: Readonly<Record<string, unknown>>, { principal, tool, since, outcome }: Filter): boolean {
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

/** Lines that are no record are left to `verify`. */
async function * recordsIn (path: string): AsyncGenerator<Readonly<Record<string, unknown>>> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const record = parsed(line)
    if (record !== undefined && typeof record.seq === 'number') yield record
  }
}

async function headsIn (path: string): Promise<Head[]> {
  const heads: Head[] = []
  await reading(async () => {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      const head = line.includes('audit head') ? parsed(line)?.audit : undefined
      if (!isRecord(head)) continue
      const { boot, seq, hash } = head
      if (typeof boot === 'string' && typeof seq === 'number' && typeof hash === 'string') {
        heads.push({ boot, seq, hash })
      }
    }
  })
  return heads
}

/** The files given, or those of `AUDIT_FILE`. */
async function filesFor (given: readonly string[], terminal: Terminal): Promise<readonly string[]> {
  if (given.length > 0) return given.map(file => resolve(terminal.directory, file))
  const { AUDIT_FILE: file } = settingsWith('AUDIT_FILE', terminal).config
  if (file === undefined) throw new OperatorError('No file is given, and AUDIT_FILE is not set: name the files.')
  const path = resolve(terminal.directory, file)
  return await reading(async () => [...(await asideNames(path)).map(name => join(dirname(path), name)), path])
}

async function reading<T> (read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    const { path, syscall } = error as NodeJS.ErrnoException
    if (syscall === undefined) throw error
    throw new OperatorError(`${path ?? 'A file'} cannot be read (${codeOf(error)}).`)
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
    throw new InvalidArgumentError('It must be a day or a time with its zone, such as 2026-01-31T12:00:00Z.')
  }
  return value
}

function outcome (text: string): string {
  if (!['allowed', 'denied', 'failed'].includes(text)) {
    throw new InvalidArgumentError('It must be allowed, denied or failed.')
  }
  return text
}
