/** Links a principal that a hook or `enrich` created to the one that the credential proved. */
import type { Principal } from './principal.js'

/** Original principals, by their replacement. A WeakMap, so an entry lives as long as the replacement. */
const proven = new WeakMap<object, Principal>()

/** Records that `principal` replaces `proof`. The validity of its credential is checked through `proof`. */
export function linkProof (principal: Principal, proof: Principal): void {
  if (principal !== proof) proven.set(principal, proof)
}

/** The principal that the credential proved, with its original ids and rights. */
export function proofOf<T extends object> (principal: T): T | Principal {
  return proven.get(principal) ?? principal
}
