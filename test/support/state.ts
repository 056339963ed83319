/** State directories and records for tests. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { commandLine, type Minted } from '../../src/ledger/records.js'
import { Ledger, type LedgerOptions } from '../../src/ledger/ledger.js'
import { witnessFiles } from './witness.js'

/** Returns a path for a state directory that does not exist yet. It is removed at the test's end. */
export async function statePath (t: Test): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'state-'))
  t.teardown(async () => {
    witnessFiles(parent)
    await rm(parent, { recursive: true, force: true })
  })
  return join(parent, 'state')
}

/** Opens a state. It is closed at the test's end. */
export async function openState (t: Test, options: LedgerOptions = {}): Promise<Ledger> {
  const state = await Ledger.open({ pollMs: 20, ...options })
  t.teardown(() => state.close())
  return state
}

export function mintedRecord (given: Partial<Minted> = {}): Minted {
  const at = Date.now()
  return {
    kind: 'minted',
    id: randomUUID(),
    subject: 'ada',
    role: 'user',
    scopes: [],
    at,
    expiresAt: at + 3_600_000,
    by: commandLine,
    ...given
  }
}
