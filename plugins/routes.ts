/** Makes tools of the host's own routes, where a route asks for it with `config.mcp`. */
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { NotFoundError } from '../src/errors.js'
import { endWithCall, isAstray } from '../src/http/request/in-process.js'
import { decorateCaller } from '../src/http/request/request-caller.js'
import { type RouteTool, RouteTools } from '../src/routes/route-tools.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Makes the route a tool of every endpoint of the app. Default it is none. */
    mcp?: RouteTool
  }
  interface FastifyInstance {
    /** The routes that are tools, of all scopes below. */
    mcpRoutes: RouteTools
  }
}

export type { RouteTool }

/**
 * Register it before the routes: Fastify tells of those that come later. A tool calls its route in process, through all
 * hooks of the route, with the caller on `request.mcp.principal` and no credential.
 *
 * @example
 * await app.register(routes)
 * app.get('/orders/:id', { config: { mcp: { name: 'get-order', description: 'One order.' } } }, getOrder)
 * await app.register(mcpAuth, { apiKeys: [key] })
 */
const routes: FastifyPluginAsync = async fastify => {
  if (!fastify.hasDecorator('mcpRoutes')) fastify.decorate('mcpRoutes', new RouteTools())
  const { mcpRoutes } = fastify
  // Not `principal`: the host may have one of its own.
  decorateCaller(fastify, [])
  fastify.addHook('onRoute', function (route) { mcpRoutes.take(this, route) })
  fastify.addHook('onRequest', (request, reply, done) => {
    endWithCall(request, reply)
    // A value may have made the path that of another route, which nobody has opened to tools.
    done(isAstray(request) ? new NotFoundError() : undefined)
  })
}

export default fp(routes, { name: 'mcp-routes', fastify: '5.x' })
