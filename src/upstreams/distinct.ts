/** Two upstreams must not offer one name. */
import { exposedName, type Lists } from './definitions.js'
import { type Upstream, UpstreamError } from './options.js'

interface Offer {
  readonly upstream: Upstream
  readonly lists: Lists | undefined
}

/** Throws an `UpstreamError` that names both, and says what mends it. */
export function requireDistinct (offers: readonly Offer[]): void {
  const owners = new Map<string, string>()
  for (const { upstream, lists } of offers) {
    for (const [kind, items] of [['tool', lists?.tools ?? []], ['prompt', lists?.prompts ?? []]] as const) {
      for (const { name } of items) {
        const exposed = exposedName(upstream, name)
        if (exposed === undefined) continue
        const key = `${kind} ${JSON.stringify(exposed)}`
        const owner = owners.get(key) ?? upstream.name
        if (owner !== upstream.name) {
          throw new UpstreamError(
            `Upstreams ${JSON.stringify(owner)} and ${JSON.stringify(upstream.name)} both offer the ` +
              `${key}; give ${JSON.stringify(upstream.name)} another \`prefix\``
          )
        }
        owners.set(key, upstream.name)
      }
    }
  }
}
