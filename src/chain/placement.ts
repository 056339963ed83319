/** How the chain fits into the app around it. */
import type { FastifyInstance } from 'fastify'
import type { Channel } from '../workers/channel.js'

export interface Placement {
  /** False if unknown paths belong to the host. */
  readonly ownsNotFound: boolean
  /** Log one line for every request, not only for refused ones. */
  readonly logRequests: boolean
  /** The channel of a worker to its primary. */
  readonly channel?: Channel | undefined
}

/** In the app of a host. Throws unless that is Fastify 5. `prefix` is that of the registration itself. */
export function placementIn (scope: FastifyInstance, prefix = ''): Placement {
  requireFastify5(scope)
  return { ownsNotFound: takeNotFound(scope, prefix), logRequests: false }
}

/** The plugins check it, too, but their error names a plugin that the host never registered. */
function requireFastify5 ({ version }: FastifyInstance): void {
  if (version.startsWith('5.')) return
  throw new Error(`fastify-mcp-auth needs Fastify 5, and this app uses ${version}: run \`npm install fastify@5\``)
}

/** The prefixes below which one of our scopes answers unknown paths, by server. */
const taken = new WeakMap<object, Set<string>>()

/**
 * True for the first registration with its own prefix; below an inherited prefix, unknown paths belong to the host.
 * Fastify accepts one not-found handler per prefix, and a second one in another scope ends the process.
 */
function takeNotFound ({ server, prefix }: FastifyInstance, own: string): boolean {
  // Not yet checked: `prefix` may be anything.
  if (String(own).replaceAll('/', '') === '') return false
  const prefixes = taken.get(server) ?? new Set()
  const isFirst = !prefixes.has(prefix)
  taken.set(server, prefixes.add(prefix))
  return isFirst
}
