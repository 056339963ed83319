/** Records the changes of a command in the audit file, as a separate chain. */
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { OperatorError } from '../../lib/operator-error.js'
import { asOwnerOf } from '../../lib/path-owner.js'
import { commandLine } from '../../ledger/records.js'
import { secretsOf } from '../../setting-secrets.js'
import { AuditFileError, AuditLog } from '../../telemetry/audit/audit-log.js'
import type { Decision } from '../../telemetry/decision.js'
import type { Terminal } from '../terminal/terminal.js'
import { settingsWith } from './settings.js'

export type AuditedChange = Pick<Decision, 'kind' | 'keyId' | 'tokenId' | 'oauthClient' | 'about'>

/** Does nothing without `AUDIT_FILE`. The changes already apply, so a failed write is only a warning. */
export async function recordChanges (terminal: Terminal, changes: readonly AuditedChange[]): Promise<void> {
  if (changes.length === 0) return
  try {
    const { config } = settingsWith('AUDIT_FILE', terminal)
    if (config.AUDIT_FILE === undefined) return
    // If `.env` cannot be read, the key may be wrong, and the file would no longer verify.
    const { AUDIT_KEY: key } = settingsWith('AUDIT_KEY', terminal).config
    const { AUDIT_MAX_BYTES: maxBytes, AUDIT_KEEP: keep } = config
    const file = resolve(terminal.directory, config.AUDIT_FILE)
    const options = { file, key, maxBytes, keep, secrets: secretsOf(config), maxQueuedBytes: Infinity }
    await asOwnerOf(file, async () => { await write(options, changes, userOf(terminal)) })
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    terminal.complain(`Warning: the change applies, but is not in the audit file. ${error.message}`)
  }
}

/** Throws an `AuditFileError`. */
async function write (
  options: Parameters<typeof AuditLog.open>[0],
  changes: readonly AuditedChange[],
  user: string
): Promise<void> {
  let failedBy: unknown
  const audit = await AuditLog.open(options, {
    info: () => {},
    error: fields => { failedBy = Reflect.get(fields, 'code') }
  })
  for (const { about, ...change } of changes) {
    audit.note({
      ...change,
      outcome: 'allowed',
      at: Date.now(),
      principal: commandLine.principal,
      about: { ...about, user }
    })
  }
  await audit.close()
  if (audit.queuedBytes > 0) throw new AuditFileError(`It cannot be written (${String(failedBy ?? 'timeout')}).`)
}

/** The operating system user who ran the command. */
function userOf ({ env }: Terminal): string {
  if (env.SUDO_USER !== undefined) return env.SUDO_USER.slice(0, 64)
  try {
    return userInfo().username
  } catch {
    return `#${process.getuid?.() ?? 'unknown'}`
  }
}
