/** Refuses foreign hosts and origins before anything runs, and answers browsers on the allowlist. */
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

/**
 * Embedded, `loopback` is on by default and the Host of a request must be a loopback name: behind
 * a public name, pass `publicUrl` or `allowedHosts`.
 */
export interface CorsOptions extends EdgeRules {
  /** Seconds that a browser may keep a preflight's answer. Default 600; 0 asks every time. */
  readonly maxAgeSeconds?: number
  /** Request headers that listed pages may send besides those of MCP and W3C Trace Context. Default none. */
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

/** What a host's own `@fastify/cors` may have granted on a path that is not one of our routes. */
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
    // Preflights are answered below: a host's own hook must not end one before our check.
    preflightContinue: true,
    strictPreflight: false
  }
  const addCorsHeaders = hookOf('@fastify/cors', fastifyCors, fastify, settings)

  // `@fastify/cors` merges a route's own options over those it was registered with, so that a
  // host's registration obeys ours here. A route that brings its own keeps them.
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
    // Unknown paths pass no onRoute hook, and a host's hook may still run after this one.
    if (request.is404) config.cors = ours
    // It comes from no browser and no name: a tool calls its route.
    if (isWithinCall(request)) return done()
    if (hostHasCors) for (const name of grants) reply.removeHeader(name)
    if (corsIsOn) reply.header('vary', varyWith(reply.getHeader('vary')))
    if (namesAnotherHost(request.originalUrl, host)) {
      throw new HostRefusedError({
        reason: `The target of the request names another host than Host ${quote(host)}`
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
    // A page can make requests without an Origin, such as an image's: they must not use up an address's tries.
    const isForeign = verdict !== 'listed' && isFromOtherSite(text(headers['sec-fetch-site']))
    if (isForeign && !mayComeFromOtherSites(request, isPublic, ownOptions)) {
      throw new OriginRefusedError({
        reason: 'Sec-Fetch-Site: another site caused the request, from no listed origin'
      })
    }
    if (origin === undefined) return done()
    const answer = (error?: Error): void => {
      if (error !== undefined || !isPreflight(request)) return done(error)
      allowParameters(request, reply)
      // Asked without a credential: it is answered before anybody could be charged for it.
      // RFC 9110 wants no Content-Length here, but Safari has hung without one.
      reply.code(204).header('content-length', '0').send()
    }
    if (ownOptions || verdict === 'listed') addCorsHeaders(request, reply, answer)
    else answer()
  })
}

/**
 * A tool may want arguments in headers, too, and names them itself (MCP 2026-07-28, `x-mcp-header`). Pages
 * may send those.
 */
function allowParameters ({ headers }: FastifyRequest, reply: FastifyReply): void {
  const allowed = reply.getHeader('access-control-allow-headers')
  const asked = headers['access-control-request-headers']
  if (typeof allowed !== 'string' || typeof asked !== 'string') return
  const parameters = asked.split(',').map(name => name.trim()).filter(name => parameterHeader.test(name))
  if (parameters.length > 0) reply.header('access-control-allow-headers', [allowed, ...parameters].join(', '))
}

/** People follow links to public pages, and a route with CORS of its own is made for pages of other origins. */
function mayComeFromOtherSites ({ method }: FastifyRequest, isPublic: boolean, hasOwnCors: boolean): boolean {
  return isPublic && (hasOwnCors || method === 'GET' || method === 'HEAD' || method === 'OPTIONS')
}

/** Behind a trusted proxy, the scheme that the proxy was asked by. */
function schemeOf ({ protocol }: FastifyRequest): 'http' | 'https' {
  return protocol === 'https' ? 'https' : 'http'
}

/**
 * Node keeps the first of two Host headers; a proxy before us may have judged by the other. HTTP/2
 * has `:authority` in the place of Host, and may have both (RFC 9113 §8.3.1).
 */
function namesTwoHosts ({ raw: { rawHeaders }, headers }: FastifyRequest, httpVersionMajor: number): boolean {
  if (httpVersionMajor > 1) return headers.host !== undefined && headers.host !== headers[':authority']
  let count = 0
  // By length first: lower-casing every name is most of the time spent here.
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length === 4 && rawHeaders[i]?.toLowerCase() === 'host') count++
  }
  return count > 1
}

/** A shared cache must not hand one origin's answer to another. */
function varyWith (value: unknown): string {
  const names = Array.isArray(value) ? value.join(', ') : String(value ?? '')
  if (names === '') return 'Origin'
  return /(^|,)\s*(origin|\*)\s*(,|$)/i.test(names) ? names : `${names}, Origin`
}

/** For the log: bounded, and without what moves a terminal's cursor or turns its text, because a caller chooses it. */
function quote (value: unknown): string {
  return JSON.stringify(text(value)?.slice(0, 100) ?? 'none')
    .replace(/[^\x20-\x7e]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Node joins repeated headers that it does not know, or keeps them apart: a list of texts reads as one text. */
function text (value: unknown): string | undefined {
  return value === undefined ? undefined : String(value)
}

function requireHeaderNames (names: readonly string[]): void {
  const wrong = names.find(name => typeof name !== 'string' || !isHeaderName(name))
  if (wrong === undefined) return
  throw new TypeError(`allowedHeaders: ${JSON.stringify(wrong)} is not the name of a header, such as Sentry-Trace`)
}

export default fp(cors, { name: 'mcp-cors', fastify: '5.x' })
