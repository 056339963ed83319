/** Reports changes that commands made to the ledger, once this server applies them, to its log and its audit. */
import type { FastifyInstance } from 'fastify'
import { decisionsOf } from '../http/decisions.js'
import type { Ledger } from '../ledger/ledger.js'
import { commandLine, type LedgerRecord } from '../ledger/records.js'
import type { Decision } from '../telemetry/decision.js'

interface Applied {
  readonly kind: Decision['kind']
  readonly about: Readonly<Record<string, unknown>>
}

interface ChangeWithId extends Applied {
  readonly id: string
}

/** Older changes are ignored: they are read again when the journal is rewritten. */
const newMs = 60 * 60_000
/** The most ids in one record, because one command can revoke thousands of tokens. */
const mostIds = 20

export function recordApplied (scope: FastifyInstance, state: Ledger): void {
  let waiting: ChangeWithId[] = []
  state.onRecord(record => {
    if (record.by.principal !== commandLine.principal || record.at + newMs < Date.now()) return
    waiting.push(changeOf(record))
    // All changes of one command arrive in one turn of the event loop.
    if (waiting.length > 1) return
    setImmediate(() => {
      const changes = waiting
      waiting = []
      for (const { kind, about } of summed(changes)) {
        const by = commandLine.principal
        decisionsOf(scope).note({ kind, outcome: 'allowed', at: Date.now(), about: { ...about, by } })
      }
    })
  })
}

function changeOf (record: LedgerRecord): ChangeWithId {
  const { id } = record
  switch (record.kind) {
    case 'minted': {
      const { subject, role, scopes } = record
      return { kind: 'token-minted', id, about: { jti: id, subject, role, scopes } }
    }
    case 'token-revoked': return { kind: record.kind, id, about: { jti: id } }
    case 'key-revoked': return { kind: record.kind, id, about: { keyId: id } }
    case 'subject-revoked':
      return { kind: record.kind, id, about: { subject: id, before: new Date(record.before).toISOString() } }
    case 'address-unlocked': return { kind: record.kind, id, about: { address: id } }
    case 'frozen':
    case 'thawed': return { kind: record.kind, id, about: { target: id } }
  }
}

/** Groups the changes by kind, and merges several changes of tokens into one with their number and first ids. */
function summed (changes: readonly ChangeWithId[]): Applied[] {
  return [...new Set(changes.map(({ kind }) => kind))].flatMap((kind): readonly Applied[] => {
    const same = changes.filter(change => change.kind === kind)
    if (same.length < 2 || !kind.startsWith('token-')) return same
    return [{ kind, about: { count: same.length, ids: same.slice(0, mostIds).map(({ id }) => id) } }]
  })
}
