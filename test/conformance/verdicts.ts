/** Reads the results of a run, and judges them more strictly than the suite does. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Leg, Scenario } from './legs.js'

interface Check {
  readonly id: string
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO'
  readonly errorMessage?: string
}

export interface Verdict extends Scenario {
  readonly passed: number
  readonly judged: number
  /** Why the scenario does not pass; empty if it does. */
  readonly complaints: readonly string[]
}

/** Runs `leg` against the server at `url`. Resolves to one verdict per scenario. */
export async function judge (leg: Leg, url: string): Promise<readonly Verdict[]> {
  const folder = await mkdtemp(join(tmpdir(), 'conformance-'))
  try {
    const said = await leg.suite.run(['server', '--url', url, ...leg.flags, '-o', folder])
    const entries = await readdir(folder)
    if (entries.length === 0) throw new Error(`the suite wrote no results:\n${said}`)
    return await Promise.all(
      leg.scenarios.map(async scenario => verdictOf(scenario, await checksOf(scenario.name, folder, entries)))
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Finds the checks of a scenario in a folder that the suite names after the scenario and the time. */
async function checksOf (name: string, folder: string, entries: readonly string[]): Promise<readonly Check[]> {
  const entry = entries.find(candidate => candidate.replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '') === `server-${name}`)
  return entry === undefined ? [] : JSON.parse(await readFile(join(folder, entry, 'checks.json'), 'utf8')) as Check[]
}

/** Warnings, skipped checks and scenarios without checks are failures, because they prove nothing. */
function verdictOf (scenario: Scenario, checks: readonly Check[]): Verdict {
  const judged = checks.filter(({ status }) => status !== 'INFO')
  const unmet = judged.filter(({ status }) => status !== 'SUCCESS')
  const complaints = unmet.map(({ id, status, errorMessage = '' }) => `${status} ${id} ${errorMessage}`.trim())
  if (judged.length === 0) complaints.push('MISSING no check of it ran')
  return { ...scenario, passed: judged.length - unmet.length, judged: judged.length, complaints }
}
