/** The Fastify options that a host can set on the endpoint's route. */
import type { FastifyContextConfig, FastifySchema, RouteShorthandOptions } from 'fastify'
import { requireKeys } from '../../lib/require.js'

export interface EndpointRouteOptions {
  /**
   * For the host's plugins, such as `{ rateLimit: false }`. `jsonRpc`, `mcp`, `public` and `uncharged` are
   * ours.
   */
  readonly config?: FastifyContextConfig & Readonly<Record<string, unknown>>
  /**
   * For the host's documentation, such as `{ hide: true }`. Schemas of the request are refused: the endpoint
   * has its own.
   */
  readonly schema?: FastifySchema & Readonly<Record<string, unknown>>
  /** Constraints of the route, such as `{ host: 'mcp.example.com' }`. */
  readonly constraints?: NonNullable<RouteShorthandOptions['constraints']>
  readonly logLevel?: NonNullable<RouteShorthandOptions['logLevel']>
}

const names = { config: true, schema: true, constraints: true, logLevel: true }
const ours = {
  config: ['jsonRpc', 'mcp', 'public', 'uncharged'],
  schema: ['body', 'querystring', 'query', 'params', 'headers']
} as const

/** Throws a `TypeError` for an option that the endpoint must set itself. */
export function requireRouteOptions (options: EndpointRouteOptions): void {
  requireKeys('`routeOptions`', options, names)
  for (const [name, taken] of Object.entries(ours)) {
    const given: object = Object(options[name])
    const wrong = taken.find(key => key in given)
    if (wrong === undefined) continue
    throw new TypeError(`routeOptions.${name}: remove ${wrong}; the endpoint sets it`)
  }
}

/**
 * Throws a `TypeError` for a path with a parameter or a wildcard, because tokens and metadata name the endpoint by a
 * single URL, or with a query or fragment, which no request would match.
 */
export function requireFixedPath (path: string): void {
  if (/[?#]/.test(path)) throw new TypeError(`The endpoint's path ${JSON.stringify(path)} must not contain ? or #`)
  if (!/[:*]/.test(path)) return
  const quoted = JSON.stringify(path)
  throw new TypeError(
    `The endpoint's path ${quoted} must not have a parameter or a wildcard: register one endpoint for each`
  )
}
