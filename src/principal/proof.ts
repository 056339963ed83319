/** The principal that a credential proved, if a hook or `enrich` replaced it. */
import type { Principal } from './principal.js'

/** By the principal that stands in its place: it lasts as long as that one. */
const proven = new WeakMap<object, Principal>()

/** Notes that `principal` stands in the place of `proof`: whether its credential is still good is told by that one. */
export function linkProof (principal: Principal, proof: Principal): void {
  if (principal !== proof) proven.set(principal, proof)
}

/** What the credential proved: the ids and the rights that it is judged by, whatever an app made of them. */
export function proofOf<T extends object> (principal: T): T | Principal {
  return proven.get(principal) ?? principal
}
