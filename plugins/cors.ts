/** Refuses foreign hosts and origins, and answers preflights of allowed origins. */
import fastifyCors, { type FastifyCorsOptions } from '@fastify/cors'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isWithinCall } from '../src/http/request/in-process.js'
import { hookOf } from '../src/http/library-hook.js'
import { HostRefusedError, OriginRefusedError } from '../src/errors.js'
import { configOf, isPreflight } from '../src/http/request/route-config.js'
import { createEdge, type EdgeRules, isFromOtherSite, isHeaderName, namesAnotherHost } from '../src/net/origins.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Read by `@fastify/cors`: merged over the plugin's options on this route; `false` turns CORS off there. */
    cors?: FastifyCorsOptions | false
  }
}

/** By default only loopback hosts are accepted: behind a public name, pass `publicUrl` or `allowedHosts`. */
export interface CorsOptions extends EdgeRules {
  /** Seconds that a browser may cache a preflight. Default 600; 0 turns caching off. */
  readonly maxAgeSeconds?: number
  /** Request headers that allowed pages may send, besides those of MCP and W3C Trace Context. Default: none. */
  readonly allowedHeaders?: readonly string[]
}

const headersOfMcp = [
  'Authorization', 'Content-Type', 'Accept', 'X-API-Key', 'MCP-Protocol-Version', 'Mcp-Method', 'Mcp-Name',
  'Mcp-Session-Id', 'Last-Event-ID', 'traceparent', 'tracestate', 'baggage'
]
const parameterHeader = /^mcp-param-[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/i
const exposedHeaders = [
  'WWW-Authenticate', 'Mcp-Session-Id', 'MCP-Protocol-Version', 'Retry-After', 'X-RateLimit-Limit',
  'X-RateLimit-Remaining', 'X-RateLimit-Reset', 'RateLimit', 'RateLimit-Policy', 'X-Request-Id'
]

/** Headers that a host's own `@fastify/cors` may have set on a path that is not one of our routes. */
const grants = ['access-control-allow-origin', 'access-control-allow-credentials', 'access-control-expose-headers']

const cors: FastifyPluginAsync<CorsOptions> = async (
  fastify,
  { maxAgeSeconds = 600, allowedHeaders = [], ...rules }
) => {
  requireHeaderNames(allowedHeaders)
  const edge = createEdge(rules)
  const corsIsOn = edge.origins.length > 0
  const hostHasCors = fastify.hasRequestDecorator('corsPreflightEnabled')
  const settings: FastifyCorsOptions = {
    origin: [...edge.origins],
    credentials: true,
    methods: ['GET', 'POST', 'DELETE', 'OPTIONS'],
    allowedHeaders: [...headersOfMcp, ...allowedHeaders],
    exposedHeaders,
    maxAge: maxAgeSeconds,
    // Preflights are answered below: a host's own hook must not answer one before our check.
    preflightContinue: true,
    strictPreflight: false
  }
  const addCorsHeaders = hookOf('@fastify/cors', fastifyCors, fastify, settings)

  // `@fastify/cors` merges the options of a route over its own, so a host's registration uses ours here. A
  // route that has options keeps them.
  const ours = corsIsOn ? settings : false
  fastify.addHook('onRoute', route => {
    route.config = { cors: ours, ...route.config }
  })

  fastify.addHook('onRequest', (request, reply, done) => {
    const {
      headers,
      raw: { httpVersionMajor }
    } = request
    const { origin } = headers
    const host = text(headers.host ?? headers[':authority'])
    const config = configOf(request)
    // Unknown paths have no onRoute hook, and a host's hook may still run after this one.
    if (request.is404) config.cors = ours
    // A tool calls its own route in process: not from a browser, and not by a host name.
    if (isWithinCall(request)) return done()
    if (hostHasCors) for (const name of grants) reply.removeHeader(name)
    if (corsIsOn) reply.header('vary', varyWith(reply.getHeader('vary')))
    if (namesAnotherHost(request.originalUrl, host)) {
      throw new HostRefusedError({
        reason: `The request target and the header Host ${quote(host)} name different hosts`
      })
    }
    const isPublic = config.public === true
    if (
      !isPublic &&
      (!edge.servesHost(host) || (edge.checksHost && namesTwoHosts(request, httpVersionMajor)))
    ) {
      throw new HostRefusedError({
        reason: `Host ${quote(host)} is neither in ALLOWED_HOSTS (allowedHosts) nor that of PUBLIC_URL (publicUrl)`
      })
    }
    const verdict = origin === undefined ? 'absent' : edge.judgeOrigin(origin, host, schemeOf(request))
    if (!isPublic && verdict === 'foreign') {
      throw new OriginRefusedError({ reason: `Origin ${quote(origin)} is not in CORS_ORIGINS (origins)` })
    }
    const ownOptions = config.cors !== undefined && config.cors !== false && config.cors !== settings
    // A page can cause requests without an Origin, such as for an image: they must not count against the address.
    const isForeign = verdict !== 'listed' && isFromOtherSite(text(headers['sec-fetch-site']))
    if (isForeign && !mayComeFromOtherSites(request, isPublic, ownOptions)) {
      throw new OriginRefusedError({
        reason: 'Sec-Fetch-Site: another site caused the request, and its origin is not listed'
      })
    }
    if (origin === undefined) return done()
    const answer = (error?: Error): void => {
      if (error !== undefined || !isPreflight(request)) return done(error)
      allowParameters(request, reply)
      // A preflight carries no credential, so it is answered before anything is counted.
      // RFC 9110 forbids Content-Length here, but Safari has hung without it.
      reply.code(204).header('content-length', '0').send()
    }
    if (ownOptions || verdict === 'listed') addCorsHeaders(request, reply, answer)
    else answer()
  })
}

/** Pages may also send the argument headers that tools define (MCP 2026-07-28, `x-mcp-header`). */
function allowParameters ({ headers }: FastifyRequest, reply: FastifyReply): void {
  const allowed = reply.getHeader('access-control-allow-headers')
  const asked = headers['access-control-request-headers']
  if (typeof allowed !== 'string' || typeof asked !== 'string') return
  const parameters = asked.split(',').map(name => name.trim()).filter(name => parameterHeader.test(name))
  if (parameters.length > 0) reply.header('access-control-allow-headers', [allowed, ...parameters].join(', '))
}

/** Links lead to public pages, and a route with its own CORS options is meant for other origins. */
function mayComeFromOtherSites ({ method }: FastifyRequest, isPublic: boolean, hasOwnCors: boolean): boolean {
  return isPublic && (hasOwnCors || method === 'GET' || method === 'HEAD' || method === 'OPTIONS')
}

/** Behind a trusted proxy, the scheme that the caller used. */
function schemeOf ({ protocol }: FastifyRequest): 'http' | 'https' {
  return protocol === 'https' ? 'https' : 'http'
}

/**
 * Node keeps the first of two Host headers; a proxy in front may have used the other. HTTP/2 has `:authority`
 * instead of Host, or both (RFC 9113 §8.3.1).
 */
function namesTwoHosts ({ raw: { rawHeaders }, headers }: FastifyRequest, httpVersionMajor: number): boolean {
  if (httpVersionMajor > 1) return headers.host !== undefined && headers.host !== headers[':authority']
  let count = 0
  // Compares the length first, because lower-casing every name would take most of the time.
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length === 4 && rawHeaders[i]?.toLowerCase() === 'host') count++
  }
  return count > 1
}

/** A shared cache must not give one origin's response to another. */
function varyWith (value: unknown): string {
  const names = Array.isArray(value) ? value.join(', ') : String(value ?? '')
  if (names === '') return 'Origin'
  return /(^|,)\s*(origin|\*)\s*(,|$)/i.test(names) ? names : `${names}, Origin`
}

/** For the log: bounded, without control or bidirectional characters, because a caller chooses it. */
function quote (value: unknown): string {
  return JSON.stringify(text(value)?.slice(0, 100) ?? 'none')
    .replace(/[^\x20-\x7e]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Node joins repeated unknown headers, or returns a list: treat both as one string. */
function text (value: unknown): string | undefined {
  return value === undefined ? undefined : String(value)
}

function requireHeaderNames (names: readonly string[]): void {
  const wrong = names.find(name => typeof name !== 'string' || !isHeaderName(name))
  if (wrong === undefined) return
  throw new TypeError(`allowedHeaders: ${JSON.stringify(wrong)} is not the name of a header, such as Sentry-Trace`)
}

/**
 * Refuses a foreign `Host` or `Origin` with 403, before anything else runs, and answers preflights of allowed origins.
 * Register it before every plugin that answers requests.
 *
 * @example
 * await app.register(cors, { publicUrl: 'https://mcp.example.com', origins: ['https://app.example.com'] })
 */
export default fp(cors, { name: 'mcp-cors', fastify: '5.x' })
