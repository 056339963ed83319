/** Builds the names of Redis keys. They contain no principals or credentials. */
import { createHash } from 'node:crypto'

export class RedisKeys {
  readonly #prefix: string

  /** `prefix` is that of the deployment, followed by the path of the endpoint. */
  constructor (prefix: string) {
    this.#prefix = prefix
  }

  /**
   * A key of one owner. All keys of an owner are in the same Cluster slot, so that a script can use them
   * together.
   */
  of (kind: string, owner: string, rest = ''): string {
    return `${this.#prefix}${kind}:{${owner}}${rest}`
  }

  /** A key that all instances share. Only for small data: all these keys are in one Cluster slot. */
  shared (name: string): string {
    return `${this.#prefix}{bus}:${name}`
  }
}

/** Hashes a name that is confidential, or too long for a key. */
export function keyHashOf (text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}
