/** Which requests skip limits and authentication. */
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

/** The route says `config: { uncharged: true }`, and its callers authenticate but pay nothing; or it is public. */
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
  if (request.method !== 'OPTIONS') return false
  return headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

/**
 * An unknown path that clients look for after a 401, to sign in by OAuth: anything below a `/.well-known/`, or one of
 * those of `isSignInProbe`. They would lock themselves out: a dozen on each connect.
 */
export function isOAuthProbe (request: FastifyRequest): boolean {
  if (!request.is404) return false
  return pathOf(request).includes('/.well-known/') || isSignInProbe(request)
}

/**
 * Where clients look that found no metadata (MCP 2025-03-26, Authorization, Fallbacks for Servers without
 * Metadata Discovery).
 */
export function isSignInProbe (request: FastifyRequest): boolean {
  const { is404, server: { prefix } } = request
  return is404 && ['register', 'token', 'authorize'].some(name => pathOf(request) === `${prefix}/${name}`)
}

function pathOf ({ url }: FastifyRequest): string {
  const [path = ''] = url.split('?', 1)
  return path
}
