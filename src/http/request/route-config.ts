/** Decides which requests skip limits and authentication. */
import type { FastifyRequest } from 'fastify'

type RouteConfig = FastifyRequest['routeOptions']['config']

const known = Symbol('the config of the route of a request')

/** `routeOptions.config`, read only once: Fastify creates `routeOptions` on each access. */
export function configOf (request: FastifyRequest & { [known]?: RouteConfig }): RouteConfig {
  request[known] ??= request.routeOptions.config
  return request[known]
}

/** True if the route has `config: { public: true }`. */
export function isPublic (request: FastifyRequest): boolean {
  return configOf(request)?.public === true
}

/**
 * True if the route is public, or has `config: { uncharged: true }`: callers authenticate, but no limit
 * counts.
 */
export function isUncharged (request: FastifyRequest): boolean {
  const config = configOf(request)
  return config?.uncharged === true || config?.public === true
}

/**
 * True for a CORS preflight (Fetch Standard, CORS-preflight request). A preflight never carries a credential,
 * so none is read: otherwise its answer could confirm a guess.
 */
export function isPreflight (request: FastifyRequest): boolean {
  const { headers } = request.raw
  if (request.method !== 'OPTIONS') return false
  return headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

/**
 * True for an unknown path that clients probe after a 401 to find the OAuth sign-in: anything below
 * `/.well-known/`, and the paths of `isSignInProbe`. If these counted, clients would lock themselves out:
 * they send a dozen on each connect.
 */
export function isOAuthProbe (request: FastifyRequest): boolean {
  if (!request.is404) return false
  return pathOf(request).includes('/.well-known/') || isSignInProbe(request)
}

/**
 * True for the default OAuth paths, which clients try if they find no metadata (MCP 2025-03-26,
 * Authorization, Fallbacks for Servers without Metadata Discovery).
 */
export function isSignInProbe (request: FastifyRequest): boolean {
  const { is404, server: { prefix } } = request
  return is404 && ['register', 'token', 'authorize'].some(name => pathOf(request) === `${prefix}/${name}`)
}

function pathOf ({ url }: FastifyRequest): string {
  const [path = ''] = url.split('?', 1)
  return path
}
