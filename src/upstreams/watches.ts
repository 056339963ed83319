/** Resources of a shared upstream that callers subscribed to: it is asked to tell when they change. */
import type { Lists } from './definitions.js'
import type { Upstream } from './options.js'
import type { Pool } from './pool.js'

const maxUris = 1000

export class Watches {
  readonly #upstream: Upstream
  readonly #pool: Pool
  readonly #report: (error: unknown) => void
  readonly #uris = new Set<string>()

  constructor (upstream: Upstream, pool: Pool, report: (error: unknown) => void) {
    this.#upstream = upstream
    this.#pool = pool
    this.#report = report
  }

  get size (): number { return this.#uris.size }

  /** Does nothing where the resource is not of this upstream, or where each caller has a process of its own. */
  add (uri: string, lists: Lists | undefined): void {
    if (this.#upstream.share !== 'all' || lists === undefined || this.#uris.has(uri)) return
    const isOurs =
      lists.resources.some(resource => resource.uri === uri) ||
      lists.templates.some(({ uriTemplate }) => uri.startsWith(uriTemplate.split('{', 1)[0] ?? ''))
    if (!isOurs || this.#uris.size >= maxUris) return
    this.#uris.add(uri)
    this.renew()
  }

  /** Asks for all of them again, after the upstream was started again. */
  renew (): void {
    if (this.#uris.size === 0) return
    this.#pool.of('').then(async connection => {
      for (const uri of this.#uris) await connection.subscribe(uri)
    }).catch(this.#report)
  }
}
