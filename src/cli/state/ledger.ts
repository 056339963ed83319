/** The server's state, for commands: configured like the server's. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError } from '../../config/load.js'
import type { Ledger, Revocable } from '../../ledger/index-in-memory.js'
import { peek } from '../../ledger/peek.js'
import type { Minted } from '../../ledger/records.js'
import { State } from '../../ledger/ledger.js'
import { OperatorError } from '../../lib/operator-error.js'
import { asOwnerOf } from '../../lib/path-owner.js'
import type { SharedRecords } from '../../ledger/shared-records.js'
import { RedisRecords } from '../../redis/records.js'
import { hasFleet, withFleet } from './fleet.js'
import { settingsWith } from './settings.js'
import type { Terminal } from '../terminal/terminal.js'

/**
 * Runs `work` with the state that is there. A wrong directory would swallow a revocation: it has to be there, unless
 * the servers share theirs in Redis.
 */
export async function withState (
  terminal: Terminal,
  work: (state: State, directory: string) => Promise<void>
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
 * Puts a token on record where the server will look for it: in a directory that is there, that
 * `STATE_DIR` names, or that belongs to the `.env` which the token was signed by. Where that
 * fails, the token is good all the same, and a warning says so.
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
    terminal.complain(`Warning: the token is not on record. ${error.message}`)
  }
}

/**
 * Asks whether a credential was revoked, as far as the state is at hand: where there is none nothing
 * was, and where it cannot be read a warning says so.
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

/** What was revoked and frozen, to read alone: from the directory, and from Redis where servers share theirs there. */
export async function ledgerHere (terminal: Terminal): Promise<Ledger> {
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

/** With the directory where there is one: what is in it is shared, too. */
async function openedInFleet (terminal: Terminal, path: string, work: (state: State) => Promise<void>): Promise<void> {
  await withFleet(terminal, async link => {
    await asOwnerOf(path, async () => {
      await opened(existsSync(path) ? path : undefined, work, new RedisRecords(link))
    })
  })
}

async function opened (
  directory: string | undefined,
  work: (state: State) => Promise<void>,
  share?: SharedRecords
): Promise<void> {
  const state = await State.open({ directory, share })
  await state.merged()
  try {
    await work(state)
  } finally {
    await state.close()
  }
}
