/** Finds the endpoints of an app by their path. */
import type { Endpoint } from './endpoint.js'

/** By server, because each scope of an app has its own instance of Fastify. */
const served = new WeakMap<object, Map<string, Endpoint[]>>()

export function serveAt (server: object, path: string, endpoint: Endpoint): void {
  const paths = served.get(server) ?? new Map<string, Endpoint[]>()
  served.set(server, paths)
  // Constraints allow several endpoints at one path.
  paths.set(path, [...paths.get(path) ?? [], endpoint])
}

/** `url`: a path, whose query and trailing slashes are ignored. */
export function endpointsAt (server: object, url: string): readonly Endpoint[] {
  const [path = ''] = url.split('?', 1)
  return served.get(server)?.get(path.replace(/\/+$/, '')) ?? []
}
