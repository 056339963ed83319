/** Serves the server card, the AI Catalog and ChatGPT's domain check. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { type CardFacts, cardsOf, cardSuffix, cardType, catalogPath, catalogType } from '../src/cards/cards.js'
import { serveDocument } from '../src/http/public-document.js'

export interface DiscoveryOptions {
  /** The contents of the server card. Default: no card is served. */
  readonly card?: CardFacts | undefined
  /** The token that ChatGPT's directory form shows; it is public. Default: none. */
  readonly appsChallenge?: string | undefined
  /** The endpoint's path in this scope. Default `/mcp`. */
  readonly path?: string
}

const challengePath = '/.well-known/openai-apps-challenge'

const discovery: FastifyPluginAsync<DiscoveryOptions> = async (fastify, { card, appsChallenge, path = '/mcp' }) => {
  if (card !== undefined) {
    const { 'server-card': serverCard, 'ai-catalog': catalog } = cardsOf(card)
    serveDocument(fastify, { path: path + cardSuffix, type: cardType, text: JSON.stringify(serverCard) })
    if (!isTaken(fastify, catalogPath)) {
      serveDocument(fastify, { path: catalogPath, type: catalogType, text: JSON.stringify(catalog) })
    }
  }
  if (appsChallenge === undefined) return
  if (typeof appsChallenge !== 'string' || !/^[\x21-\x7e]{1,512}$/.test(appsChallenge)) {
    throw new TypeError('`appsChallenge` must be 1 to 512 printable ASCII characters without spaces')
  }
  if (isTaken(fastify, challengePath)) return
  fastify.get(challengePath, { config: { public: true } }, async (_request, reply) =>
    reply.header('cache-control', 'no-store').type('text/plain; charset=utf-8').send(appsChallenge)
  )
}

/** With several endpoints in one scope, the first one serves these documents. */
function isTaken (fastify: FastifyInstance, url: string): boolean {
  return fastify.hasRoute({ method: 'GET', url: fastify.prefix + url })
}

/**
 * Serves documents that clients and directories read before they connect: the server card, the AI Catalog and
 * ChatGPT's domain check.
 *
 * @example
 * await app.register(discovery, { appsChallenge: process.env.APPS_CHALLENGE })
 */
export default fp(discovery, { name: 'mcp-discovery', fastify: '5.x' })
