/** The protected resource metadata (RFC 9728): which authorization server issues tokens for this server. */
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { pathSpellings } from '../src/http/request/trailing-slash.js'
import { metadataPath } from '../src/net/public-url.js'

export interface OAuthMetadataOptions {
  /** The public URL of the endpoint; never derived from a request. */
  readonly resource: string
  /** The accepted issuers; at least one. */
  readonly authorizationServers: readonly string[]
  /** The scopes that a client should request first. Default: the client decides. */
  readonly scopes?: readonly string[]
  /** The endpoint's path in this scope. Default `/mcp`. */
  readonly path?: string
}

const oauthMetadata: FastifyPluginAsync<OAuthMetadataOptions> = async (
  fastify,
  { resource, authorizationServers, scopes = [], path = '/mcp' }
) => {
  if (authorizationServers.length === 0) { throw new Error('`authorizationServers` must name at least one issuer') }
  const document = JSON.stringify({
    resource,
    authorization_servers: authorizationServers,
    bearer_methods_supported: ['header'],
    ...(scopes.length === 0 ? {} : { scopes_supported: scopes })
  })
  // Clients look below the public path, below the path behind the proxy, and at the bare path.
  const { pathname } = new URL(resource)
  const paths = [metadataPath, metadataPath + path, metadataPath + pathname]
  // Also with a trailing slash, for clients that were given the URL that way.
  for (const url of new Set(paths.flatMap(one => pathSpellings(one, fastify)))) {
    // With several endpoints in one scope, the first one gets the bare path.
    if (
      url.replace(/\/$/, '') === metadataPath &&
      fastify.hasRoute({ method: 'GET', url: fastify.prefix + url })
    ) { continue }
    fastify.route({
      // Also OPTIONS: the revision header causes a preflight, and unknown paths have no CORS headers.
      method: ['GET', 'OPTIONS'],
      url,
      config: { public: true, cors: { origin: '*', credentials: false } },
      handler: async (_request, reply) =>
        reply
          .header('cache-control', 'public, max-age=3600')
          .type('application/json; charset=utf-8')
          .send(document)
    })
  }
}

/**
 * Serves the protected resource metadata (RFC 9728), which tells clients where to get tokens.
 *
 * @example
 * await app.register(oauthMetadata, {
 *   resource: 'https://mcp.example.com/mcp',
 *   authorizationServers: ['https://id.example.com']
 * })
 */
export default fp(oauthMetadata, { name: 'mcp-oauth-metadata', fastify: '5.x' })
