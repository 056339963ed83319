/** Registers a path with and without a trailing slash. */
import type { FastifyInstance } from 'fastify'

/**
 * The spellings of `path` to register. Only one if it ends with a slash, or if the router ignores trailing
 * slashes.
 */
export function pathSpellings (path: string, { initialConfig }: FastifyInstance): readonly string[] {
  const { ignoreTrailingSlash, routerOptions } = initialConfig
  const isIgnored = ignoreTrailingSlash === true || routerOptions?.ignoreTrailingSlash === true
  return isIgnored || path.endsWith('/') ? [path] : [path, `${path}/`]
}
