/** The resources that a session wants to hear of. */
import { InvalidParamsError } from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { Catalog } from '../catalog/catalog.js'
import type { Change } from '../catalog/changes.js'
import { maxUriLength } from '../wire/messages.js'

const maxSubscriptions = 100

export class Subscriptions {
  readonly #catalog: Catalog
  readonly #uris = new Set<string>()

  constructor (catalog: Catalog) {
    this.#catalog = catalog
  }

  /** Whether a change is to be told to `hearer`. */
  concern (change: Change, hearer: Principal): boolean {
    return (change.kind !== 'resource' || this.#uris.has(change.uri)) && this.#catalog.mayLearn(hearer, change)
  }

  /** Throws a refusal where `principal` may not read the resource, or too many are wanted. */
  add (uri: unknown, principal: Principal): void {
    if (uriOf(uri).length > maxUriLength) throw new InvalidParamsError({ reason: 'a uri that is too long', data: { limit: maxUriLength } })
    this.#catalog.resources.reach(uriOf(uri), principal)
    if (this.#uris.size >= maxSubscriptions) throw new InvalidParamsError({ reason: 'too many subscriptions', data: { limit: maxSubscriptions } })
    this.#uris.add(uriOf(uri))
  }

  remove (uri: unknown): void {
    this.#uris.delete(uriOf(uri))
  }
}

function uriOf (uri: unknown): string {
  if (typeof uri !== 'string') throw new InvalidParamsError({ reason: 'a subscription needs a uri' })
  return uri
}
