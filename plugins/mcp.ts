/** The `/mcp` route: hands authenticated requests to the bridge and its replies to Fastify. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { UnauthenticatedError } from '../src/errors.js'
import { registerJsonBody } from '../src/json-body.js'
import { Catalog, type ServerInfo } from '../src/mcp/catalog.js'
import type { Incoming } from '../src/mcp/era.js'
import { type Caller, Exchange } from '../src/mcp/exchange.js'
import { createLegacyEra } from '../src/mcp/legacy.js'
import type { Reply } from '../src/mcp/outlet.js'
import type { Tool } from '../src/tools/tool.js'

export interface McpOptions {
  readonly tools: readonly Tool[]
  /** Name and version told to clients. */
  readonly info?: ServerInfo
  /** Told to the client's model when it connects. */
  readonly instructions?: string
  /** Milliseconds that a call may take. Default 60,000. */
  readonly requestTimeoutMs?: number
  /** Bytes of a body. Default 1 MiB. */
  readonly bodyLimit?: number
  /** Default `/mcp`. */
  readonly path?: string
}

const methods = ['GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS']

const mcp: FastifyPluginAsync<McpOptions> = async (fastify, options) => {
  const {
    tools, instructions, path = '/mcp', requestTimeoutMs = 60_000, bodyLimit = 1024 * 1024,
    info = { name: 'fastify-mcp-auth', version: '0.1.0' }
  } = options
  const catalog = new Catalog({ info, tools, ...(instructions === undefined ? {} : { instructions }) })
  const era = createLegacyEra(catalog)
  fastify.addHook('onClose', async () => { await era.close() })

  await fastify.register(async scope => {
    registerJsonBody(scope, { bodyLimit })
    scope.route({
      method: methods,
      url: path,
      exposeHeadRoute: false,
      bodyLimit,
      config: { mcp: true },
      handler: async (request, reply) => {
        const caller = callerOf(fastify, request, reply)
        const incoming: Incoming = {
          method: request.method,
          headers: request.headers,
          body: request.body,
          open: () => new Exchange(caller, requestTimeoutMs),
          charge: caller.charge,
          onGone: listener => { onGone(reply, listener) }
        }
        return send(reply, await era.serve(incoming))
      }
    })
  })
}

/** Throws where no plugin put a principal on the request: an endpoint without one is closed. */
function callerOf (fastify: FastifyPluginInstance, request: FastifyRequest, reply: FastifyReply): Caller {
  const { principal } = request
  if (!principal) throw new UnauthenticatedError({ reason: 'no plugin authenticated this request' })
  return {
    principal,
    requestId: request.id,
    log: request.log,
    budget: async () => fastify.budgetOf === undefined ? null : await fastify.budgetOf(request),
    charge: async cost => { await fastify.chargePrincipal?.(request, reply, cost) }
  }
}

type FastifyPluginInstance = Parameters<typeof mcp>[0]

function onGone (reply: FastifyReply, listener: () => void): void {
  reply.raw.once('close', () => { if (!reply.raw.writableFinished) listener() })
}

function send (reply: FastifyReply, { status, headers, json, stream }: Reply): FastifyReply {
  reply.code(status)
  if (headers !== undefined) reply.headers(headers)
  if (json !== undefined) return reply.type('application/json; charset=utf-8').send(json)
  return stream === undefined ? reply.send() : reply.send(stream)
}

export default fp(mcp, { name: 'mcp-mcp', fastify: '5.x' })
