/** Which requests the limits and the authentication leave alone. Nobody is let in by these. */
import type { FastifyRequest } from 'fastify'

type Config = FastifyRequest['routeOptions']['config']

const known = Symbol('the config of the route of a request')

/** `routeOptions.config`, asked for once: Fastify makes the options anew each time. */
export function configOf (request: FastifyRequest & { [known]?: Config }): Config {
  request[known] ??= request.routeOptions.config
  return request[known]
}

/** The route says `config: { public: true }`. */
export function isPublic (request: FastifyRequest): boolean {
  return configOf(request)?.public === true
}

/** The route says `config: { uncharged: true }`: its callers authenticate, but pay nothing. Nobody pays for a public one. */
export function isUncharged (request: FastifyRequest): boolean {
  const config = configOf(request)
  return config?.uncharged === true || config?.public === true
}

/**
 * A browser's question before a cross-origin call (Fetch Standard, CORS-preflight request). It
 * never carries a credential, so none is looked at: a guess in it must stay without an answer.
 */
export function isPreflight (request: FastifyRequest): boolean {
  const { headers } = request.raw
  return request.method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

/**
 * An unknown path below a `/.well-known/`: clients probe a dozen of them on each connect, and
 * would lock themselves out.
 */
export function isWellKnownProbe (request: FastifyRequest): boolean {
  if (!request.is404) return false
  const [path = ''] = request.url.split('?', 1)
  return path.includes('/.well-known/')
}
