/** Formats the results as text, for the terminal and for docs/conformance.md. */
import { readFile, writeFile } from 'node:fs/promises'
import type { Leg } from './legs.js'
import type { Verdict } from './verdicts.js'

export interface Result {
  readonly leg: Leg
  readonly verdicts: readonly Verdict[]
}

const page = new URL('../../docs/conformance.md', import.meta.url)
const frame = /(<!-- results -->\n)[^]*(\n<!-- \/results -->)/

/** Two tables: the passed scenarios of each run, and the passed checks of each scenario. */
export function render (results: readonly Result[]): string {
  const names = [...new Set(results.flatMap(({ verdicts }) => verdicts.map(({ name }) => name)))]
  return [
    ...table(
      ['suite', 'scored scenarios that pass', 'unscored that pass'],
      results.map(({ leg, verdicts }) => [leg.title, share(verdicts, true), share(verdicts, false)])
    ),
    '',
    ...table(
      ['scenario', ...results.map(({ leg }) => leg.title)],
      names.map(name => [name, ...results.map(({ verdicts }) => cell(verdicts, name))])
    )
  ].join('\n')
}

/** The problems, one per line; empty if everything passes. */
export function complaints (results: readonly Result[]): string[] {
  return results.flatMap(({ leg, verdicts }) =>
    verdicts.flatMap(verdict => verdict.complaints.map(text => `${leg.title}: ${verdict.name}: ${text}`))
  )
}

export async function isWritten (text: string): Promise<boolean> {
  return (await readFile(page, 'utf8')).includes(`\n${text}\n`)
}

export async function write (text: string): Promise<void> {
  const before = await readFile(page, 'utf8')
  await writeFile(page, before.replace(frame, (_, start: string, end: string) => start + text + end))
}

function share (verdicts: readonly Verdict[], scored: boolean): string {
  const counted = verdicts.filter(verdict => verdict.scored === scored)
  return counted.length === 0 ? '' : `${counted.filter(passes).length} of ${counted.length}`
}

function cell (verdicts: readonly Verdict[], name: string): string {
  const verdict = verdicts.find(candidate => candidate.name === name)
  if (verdict === undefined) return ''
  return `${passes(verdict) ? '' : 'FAILS, '}${verdict.passed} of ${verdict.judged}${verdict.scored ? '' : ' *'}`
}

function passes ({ complaints }: Verdict): boolean {
  return complaints.length === 0
}

function table (head: readonly string[], rows: ReadonlyArray<readonly string[]>): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => (row[column] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)]
}
