/** Opens the state of the server for a command, as configured in the settings. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError } from '../../config/load.js'
import type { LedgerIndex, Revocable } from '../../ledger/index-in-memory.js'
import { peek } from '../../ledger/peek.js'
import type { Minted } from '../../ledger/records.js'
import { Ledger } from '../../ledger/ledger.js'
import { OperatorError } from '../../lib/operator-error.js'
import { asOwnerOf } from '../../lib/path-owner.js'
import type { SharedRecords } from '../../ledger/shared-records.js'
import { RedisRecords } from '../../redis/records.js'
import { hasFleet, withFleet } from './fleet.js'
import { settingsWith } from './settings.js'
import type { Terminal } from '../terminal/terminal.js'

/**
 * Runs `work` with the state. The directory must exist, unless the servers share their state in Redis: a
 * revocation in a wrong, new directory would have no effect.
 */
export async function withState (
  terminal: Terminal,
  work: (state: Ledger, directory: string) => Promise<void>
): Promise<void> {
  const { path } = placeOf(terminal)
  if (hasFleet(terminal)) {
    await openedInFleet(terminal, path, async state => {
      await work(state, path)
    })
    terminal.complain('Done on the servers that share REDIS_URL.')
    return
  }
  await asOwnerOf(path, async () => {
    if (!existsSync(path)) {
      throw new OperatorError(
        `There is no state in ${path}: run this in the server's directory, or set STATE_DIR.`
      )
    }
    await opened(path, async state => {
      await work(state, path)
    })
  })
}

/**
 * Records a created token. The state directory is created only if `STATE_DIR` is set or the token was signed
 * with the `JWT_SECRET` of `.env`. A failure is only a warning, because the token is valid without a record.
 */
export async function recordMinted (terminal: Terminal, minted: Minted): Promise<void> {
  const { path, isOurs } = placeOf(terminal)
  try {
    if (hasFleet(terminal)) {
      await openedInFleet(terminal, path, async state => { await state.mint(minted) })
      return
    }
    await asOwnerOf(path, async () => {
      if (isOurs || existsSync(path)) await opened(path, async state => { await state.mint(minted) })
    })
  } catch (error) {
    if (!(error instanceof OperatorError) || error instanceof ConfigError) throw error
    terminal.complain(`Warning: the token is valid, but not on record. ${error.message}`)
  }
}

/**
 * Resolves to a function that checks if a credential was revoked with `tokens`. Without a state directory
 * nothing is revoked. If the state cannot be read, prints a warning and treats nothing as revoked.
 */
export async function revocationsOf (terminal: Terminal): Promise<(credential: Revocable) => boolean> {
  try {
    const ledger = await ledgerHere(terminal)
    return credential => ledger.isRevoked(credential)
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    terminal.complain(`Warning: revocations by "tokens" cannot be read here. ${error.message}`)
    return () => false
  }
}

/**
 * Reads the revocations and freezes from the state directory, and from Redis if it is configured. Read-only.
 */
export async function ledgerHere (terminal: Terminal): Promise<LedgerIndex> {
  const { path, toleranceMs } = placeOf(terminal)
  const ledger = await asOwnerOf(path, () => peek(path, toleranceMs))
  if (hasFleet(terminal)) {
    await withFleet(terminal, async link => {
      await new RedisRecords(link).follow(record => { ledger.apply(record) }, () => [])
    })
  }
  return ledger
}

function placeOf (terminal: Terminal): { path: string, isOurs: boolean, toleranceMs: number } {
  const { config, sources } = settingsWith('STATE_DIR', terminal)
  return {
    path: resolve(terminal.directory, config.STATE_DIR),
    isOurs: sources.STATE_DIR !== 'default' || sources.JWT_SECRET === '.env',
    toleranceMs: config.JWT_CLOCK_TOLERANCE * 1000
  }
}

/** Also opens the state directory, if it exists, so that its records are shared, too. */
async function openedInFleet (terminal: Terminal, path: string, work: (state: Ledger) => Promise<void>): Promise<void> {
  await withFleet(terminal, async link => {
    await asOwnerOf(path, async () => {
      await opened(existsSync(path) ? path : undefined, work, new RedisRecords(link))
    })
  })
}

async function opened (
  directory: string | undefined,
  work: (state: Ledger) => Promise<void>,
  share?: SharedRecords
): Promise<void> {
  const state = await Ledger.open({ directory, share })
  await state.merged()
  try {
    await work(state)
  } finally {
    await state.close()
  }
}
