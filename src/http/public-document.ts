/** Routes for public documents that do not change while the server runs. */
import type { FastifyInstance } from 'fastify'
import { sha256 } from '../lib/sha256.js'
import { pathSpellings } from './request/trailing-slash.js'

export interface PublicDocument {
  readonly path: string
  readonly type: string
  readonly text: string
}

const cors = {
  origin: '*',
  credentials: false,
  methods: ['GET'],
  allowedHeaders: ['Content-Type', 'Accept', 'If-None-Match', 'MCP-Protocol-Version'],
  exposedHeaders: ['ETag']
}

/**
 * Serves a document with an ETag and a cache lifetime of one hour. OPTIONS is for preflights of
 * `If-None-Match`.
 */
export function serveDocument (fastify: FastifyInstance, { path, type, text }: PublicDocument): void {
  const etag = `"${sha256(text).slice(0, 32)}"`
  for (const url of pathSpellings(path, fastify)) {
    fastify.route({
      method: ['GET', 'OPTIONS'],
      url,
      config: { public: true, cors },
      handler: async ({ headers }, reply) => {
        reply.header('cache-control', 'public, max-age=3600').header('etag', etag)
        if (isKnown(headers['if-none-match'], etag)) return reply.code(304).send()
        return reply.type(type).send(text)
      }
    })
  }
}

/** RFC 9110 §13.1.2: weak comparison; `*` matches any ETag. */
function isKnown (given: string | undefined, etag: string): boolean {
  if (given === undefined) return false
  return given.split(',').some(one => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag)
}
