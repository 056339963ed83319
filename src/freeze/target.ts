/** The targets that an operator can switch off: everything, a tool, a caller, or a key. */
import type { Principal } from '../principal/principal.js'

/** The stored form of a target: `all`, or `tool:`, `principal:` or `key:` and a name. */
export type Target = 'all' | `tool:${string}` | `principal:${string}` | `key:${string}`

const form = /^(?:tool|principal|key):[^\p{Cc}]{1,512}$/u

export function isTarget (text: string): text is Target {
  return text === 'all' || form.test(text)
}

/**
 * Returns all targets that switch off a call of `tool` by this caller, or the caller if there is no `tool`.
 */
export function targetsOf ({ id, keyId }: Pick<Principal, 'id' | 'keyId'>, tool?: string): Target[] {
  return [
    'all',
    `principal:${id}`,
    ...keyId === undefined ? [] : [`key:${keyId}` as const],
    ...tool === undefined ? [] : [`tool:${tool}` as const]
  ]
}
