/** Serves routes of the host app as tools, if they have `config.mcp`. */
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { NotFoundError } from '../src/errors.js'
import { endWithCall, isAstray } from '../src/http/request/in-process.js'
import { decorateCaller } from '../src/http/request/request-caller.js'
import { type RouteTool, RouteTools, routeToolsOf } from '../src/routes/route-tools.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Serves this route as a tool on every endpoint of the app. Default: not served. */
    mcp?: RouteTool
  }
  interface FastifyInstance {
    /** The routes that are served as tools, in this scope and nested ones. */
    mcpRoutes: RouteTools
  }
}

export type { RouteTool }

const routes: FastifyPluginAsync = async fastify => {
  const mcpRoutes = routeToolsOf(fastify) ?? new RouteTools()
  // Fastify refuses the name if the host has it for something else.
  if (routeToolsOf(fastify) === undefined) fastify.decorate('mcpRoutes', mcpRoutes)
  // Not `principal`: the host may have a decorator of that name.
  decorateCaller(fastify, [])
  fastify.addHook('onRoute', function (route) { mcpRoutes.take(this, route) })
  fastify.addHook('onRequest', (request, reply, done) => {
    endWithCall(request, reply)
    // An argument may have changed the path to that of another route, which is not served as a tool.
    done(isAstray(request) ? new NotFoundError() : undefined)
  })
}

/**
 * Serves routes with `config.mcp` as tools. Register it before the routes, because it finds only routes that are added
 * later. A tool calls its route in process, through all hooks of the route, with the caller on `request.mcp.principal`
 * and without its credential.
 *
 * @example
 * await app.register(routes)
 * app.get('/orders/:id', { config: { mcp: { name: 'get-order', description: 'One order.' } } }, getOrder)
 * await app.register(mcpAuth, { apiKeys: [key] })
 */
export default fp(routes, { name: 'mcp-routes', fastify: '5.x' })
