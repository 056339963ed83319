/** What an operator can switch off: everything, a tool, a caller, or a key. */
import type { Principal } from '../principal/principal.js'

/** `all`, or `tool:`, `principal:` or `key:` and a name, as it stands on record. */
export type Target = 'all' | `tool:${string}` | `principal:${string}` | `key:${string}`

const form = /^(?:tool|principal|key):[^\p{Cc}]{1,512}$/u

export function isTarget (text: string): text is Target {
  return text === 'all' || form.test(text)
}

/** What switches off a call of `tool` by this caller; without a tool, what switches off the caller. */
export function targetsOf ({ id, keyId }: Pick<Principal, 'id' | 'keyId'>, tool?: string): Target[] {
  return [
    'all',
    `principal:${id}`,
    ...keyId === undefined ? [] : [`key:${keyId}` as const],
    ...tool === undefined ? [] : [`tool:${tool}` as const]
  ]
}
