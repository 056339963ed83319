/** Derives the changes that an operator made to managed keys from the records before and after. */
import type { KeyRecord } from './record.js'

export interface KeyChange {
  readonly kind:
    | 'key-created'
    | 'key-changed'
    | 'key-rotated'
    | 'key-disabled'
    | 'key-enabled'
    | 'key-revoked'
    | 'key-removed'
  readonly record: KeyRecord
}

/** One entry per changed key. If several things changed, the most important one. */
export function changesBetween (before: readonly KeyRecord[], after: readonly KeyRecord[]): KeyChange[] {
  const old = new Map(before.map(record => [record.id, record]))
  const changes: KeyChange[] = []
  for (const record of after) {
    const was = old.get(record.id)
    old.delete(record.id)
    // An unchanged line yields the same record object.
    if (was !== record) changes.push(...kindOf(was, record).map(kind => ({ kind, record })))
  }
  for (const record of old.values()) changes.push({ kind: 'key-removed', record })
  return changes
}

function kindOf (was: KeyRecord | undefined, now: KeyRecord): Array<KeyChange['kind']> {
  if (was === undefined) return ['key-created']
  if (was.revokedAt === undefined && now.revokedAt !== undefined) return ['key-revoked']
  if (was.disabled !== now.disabled) return [now.disabled ? 'key-disabled' : 'key-enabled']
  if (was.secrets[0]?.digest !== now.secrets[0]?.digest) return ['key-rotated']
  return JSON.stringify(was) === JSON.stringify(now) ? [] : ['key-changed']
}
