/** The runs of the conformance suite: its release line, the revision, and the scenarios that must pass. */
import { readFile } from 'node:fs/promises'
import type { Suite } from './suite.js'

export interface Scenario {
  readonly name: string
  /** Whether it counts for the suite's own score. All scenarios must pass. */
  readonly scored: boolean
}

export interface Leg {
  readonly suite: Suite
  readonly title: string
  /** The arguments of the suite's `server` command. */
  readonly flags: readonly string[]
  readonly scenarios: readonly Scenario[]
}

const revisions = ['2025-11-25', '2026-07-28']

/** `stable` has no requirement sets, so all of its server scenarios must pass. */
export async function legsOf ({ stable, next }: Record<'stable' | 'next', Suite>): Promise<readonly Leg[]> {
  const known = [...(await stable.run(['list', '--server'])).matchAll(/^ {2}- (\S+)/gm)]
  const all: Leg = {
    suite: stable,
    title: stable.version,
    flags: ['--suite', 'all'],
    scenarios: known.map(([, name = '']) => ({ name, scored: true }))
  }
  return [all, ...await Promise.all(revisions.map(async revision => ({
    suite: next,
    title: `${next.version}, ${revision}`,
    flags: ['--requirements', revision],
    scenarios: requirements(await readFile(next.file(`requirements/${revision}.yaml`), 'utf8'))
  })))]
}

/**
 * The server scenarios of a requirement set, except those of extensions, because the specification makes
 * extensions optional.
 */
function requirements (yaml: string): Scenario[] {
  const scored = /^server:\n((?: {2}- .*\n)+)/m.exec(yaml)?.[1] ?? ''
  const unscored = yaml.matchAll(/^ {2}- scenario: (\S+)\n {4}leg: server\n {4}reason: (\S+)/gm)
  return [
    ...[...scored.matchAll(/- (\S+)/g)].map(([, name = '']) => ({ name, scored: true })),
    ...[...unscored].filter(([, , reason]) => reason !== 'extension').map(([, name = '']) => ({ name, scored: false }))
  ]
}
