/** Tells clients which identity provider issues tokens for this server (RFC 9728). */
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { spellingsOf } from '../src/http/request/trailing-slash.js'
import { metadataPath } from '../src/net/public-url.js'

export interface OAuthMetadataOptions {
  /** The endpoint under its public address; never built from what a request says. */
  readonly resource: string
  /** The issuers whose tokens are good here; at least one. */
  readonly authorizationServers: readonly string[]
  /** The scopes that a client asks for first. Default none: it decides for itself. */
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
  // Clients look below the endpoint's path as they know it, below the one that a proxy left of it, and at
  // the bare path.
  const { pathname } = new URL(resource)
  const paths = [metadataPath, metadataPath + path, metadataPath + pathname]
  // Each with a slash at its end, too: a client that was given the endpoint's address so looks there.
  for (const url of new Set(paths.flatMap(one => spellingsOf(one, fastify)))) {
    // Of several endpoints in one scope the first is found at the bare path.
    if (
      url.replace(/\/$/, '') === metadataPath &&
      fastify.hasRoute({ method: 'GET', url: fastify.prefix + url })
    ) { continue }
    fastify.route({
      // OPTIONS, too: browsers ask before they send the revision header, and an unknown path has no CORS of its own.
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

export default fp(oauthMetadata, { name: 'mcp-oauth-metadata', fastify: '5.x' })
