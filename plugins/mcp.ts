/** The `/mcp` route. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { emitDecisions } from '../src/http/decisions.js'
import { callsHandlerBegins } from '../src/http/host-errors.js'
import { registerJsonBody } from '../src/http/request/json-body.js'
import type { McpOptions } from '../src/http/endpoint/options.js'
import type { LoggedCall } from '../src/http/request/mcp-request.js'
import { openEndpoint } from '../src/http/endpoint/open.js'
import { requireFixedPath, requireRouteOptions } from '../src/http/endpoint/route-options.js'
import { pathSpellings } from '../src/http/request/trailing-slash.js'
import type { Endpoint } from '../src/mcp/endpoint.js'
import { serveAt } from '../src/mcp/served.js'
import { routeToolsOf } from '../src/routes/route-tools.js'
import { requireTools } from '../src/tools/tool-policies.js'
import type { CredentialWatch } from '../src/mcp/streams/credential-watch.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The running endpoint: add and remove items, notify subscribers. */
    mcp: Endpoint
  }
  interface FastifyRequest {
    /** What was called and its outcome, for a log line; `null` on other routes and until the body is read. */
    mcpCall: LoggedCall | null
  }
}

export type { CredentialWatch, Endpoint, LoggedCall, McpOptions }

const methods = ['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS']

const mcp: FastifyPluginAsync<McpOptions> = async (fastify, options) => {
  const { path = '/mcp', bodyLimit = 1024 * 1024, routeOptions = {}, onEndpoint } = options
  requireRouteOptions(routeOptions)
  requireFixedPath(fastify.prefix + path)
  const { laterTools = () => false, toolPolicies = {} } = options
  // Routes may be added later. Names in `toolPolicies` that never match are reported when the app is ready.
  const isNamed = (name: string): boolean => Object.hasOwn(toolPolicies.tools ?? {}, name)
  const mayCome = routeToolsOf(fastify) !== undefined ? isNamed : laterTools
  const { operations, handler, quiesce, close } = await openEndpoint(fastify, { ...options, laterTools: mayCome })
  fastify.decorate('mcp', operations)
  serveAt(fastify.server, (fastify.prefix + path).replace(/\/+$/, ''), operations)
  if (!fastify.hasRequestDecorator('mcpCall')) fastify.decorateRequest('mcpCall', null)
  emitDecisions(fastify, 'failures')
  onEndpoint?.(operations)
  // By now, all routes of all scopes and their shared schemas exist.
  fastify.addHook('onReady', async () => { addRouteTools(fastify, operations, options) })
  // Open streams would keep the server from closing. Running calls may finish; they have deadlines.
  fastify.addHook('preClose', async () => { quiesce() })
  fastify.addHook('onClose', async () => { await close() })

  await fastify.register(async scope => {
    registerJsonBody(scope, { bodyLimit })
    // Both spellings, because a redirect would lose the body or the credential.
    for (const url of pathSpellings(path, scope)) {
      const config = { ...routeOptions.config, jsonRpc: true, [callsHandlerBegins]: true }
      scope.route({ ...routeOptions, method: methods, url, exposeHeadRoute: false, bodyLimit, config, handler })
    }
  })
}

/** Adds the tools of `plugins/routes`, if the app has it. Throws if one cannot be served. */
function addRouteTools (
  fastify: FastifyInstance,
  { addTool, listTools }: Endpoint,
  { resultLimit = 1024 * 1024, toolPolicies = {}, laterTools = () => false }: McpOptions
): void {
  const routes = routeToolsOf(fastify)
  if (routes === undefined) return
  routes.addTo(addTool, fastify, resultLimit)
  const known = new Set(listTools().map(({ name }) => name))
  requireTools(toolPolicies, name => known.has(name) || laterTools(name))
}

/**
 * Serves MCP at `path`. Requires a `request.principal`, which `plugins/auth` sets; without one, every call gets 401.
 * Decorates the instance with `mcp`, which adds and removes items at run time. Throws if an item is invalid.
 *
 * @example
 * await app.register(auth, { apiKeys: [key] })
 * await app.register(mcp, { tools: [greet] })
 */
export default fp(mcp, { name: 'mcp-mcp', fastify: '5.x' })
