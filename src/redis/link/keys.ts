/** The names of Redis keys: without principals or credentials; keys of one script share a slot. */
import { createHash } from 'node:crypto'

export class Keys {
  readonly #prefix: string

  /** `prefix`: the deployment's, with the path of the endpoint. */
  constructor (prefix: string) {
    this.#prefix = prefix
  }

  /** A key of one owner: all of an owner's are in one slot. */
  of (kind: string, owner: string, rest = ''): string {
    return `${this.#prefix}${kind}:{${owner}}${rest}`
  }

  /** What all instances share: few, and small. */
  shared (name: string): string {
    return `${this.#prefix}{bus}:${name}`
  }
}

/** Names something that is not to be told, or is longer than a key should be. */
export function hashOf (text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}
