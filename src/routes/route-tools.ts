/** Collects the host's routes that are also tools, and creates the tools when all routes are registered. */
import type { FastifyInstance, FastifySchema, InjectOptions, RouteOptions } from 'fastify'
import { isRecord } from '../lib/guards.js'
import { type OptionNames, requireKeys } from '../lib/require.js'
import type { Tool, ToolAnnotations, ToolDefinition } from '../tools/tool.js'
import { itemFields, requireItem } from '../tools/validate.js'
import { callRoute } from './route-call.js'
import { inputOf } from './route-input.js'
import { parsePath } from './route-path.js'

/** `config.mcp` of a route. The input of the tool comes from the route's schemas. */
export interface RouteTool extends Omit<ToolDefinition, 'input' | 'output' | 'handler' | 'once' | 'annotations'> {
  /** Added to the hints that the HTTP method implies. */
  readonly annotations?: ToolAnnotations
}

interface Found {
  readonly tool: RouteTool
  readonly method: string
  readonly url: string
  readonly schema: FastifySchema & { readonly description?: unknown, readonly summary?: unknown }
  readonly headers: Readonly<Record<string, string>>
  /** The scope of the route, which has its shared schemas. */
  readonly scope: FastifyInstance
}

const names: OptionNames<RouteTool> = {
  ...itemFields,
  annotations: true,
  rate: true,
  concurrency: true,
  maxResultBytes: true,
  visibility: true
}

/** The hints that HTTP methods imply (RFC 9110 §9.2). A POST may be destructive, so it gets no such hint. */
const byMethod: Readonly<Record<string, ToolAnnotations>> = {
  GET: { readOnlyHint: true },
  POST: { readOnlyHint: false },
  PATCH: { readOnlyHint: false },
  PUT: { readOnlyHint: false, idempotentHint: true },
  DELETE: { readOnlyHint: false, destructiveHint: true, idempotentHint: true }
}

const oneMethod = 'requires a route with one method: GET, POST, PUT, PATCH or DELETE'

export class RouteTools {
  readonly #found = new Map<string, Found>()
  /** The name in `config.mcp` of each HEAD route, by path. */
  readonly #heads = new Map<string, unknown>()

  /** Collects a route with `config.mcp`. Throws a `TypeError` if it cannot be a tool. */
  take (scope: FastifyInstance, route: RouteOptions): void {
    const { mcp } = (route.config ?? {}) as { mcp?: unknown }
    const methods = [route.method].flat().filter(method => method !== 'HEAD')
    const [method] = methods
    if (mcp === undefined || mcp === false) return
    if (method === undefined) {
      // Fastify adds a HEAD route for each GET. Its GET may be registered later, so it is checked at the end.
      this.#heads.set(route.url, isRecord(mcp) ? mcp.name : undefined)
      return
    }
    const owner = `Route ${methods.join(', ')} ${route.url}: config.mcp`
    if (!isRecord(mcp)) throw new TypeError(`${owner} must be an object with a name, such as { name, description }`)
    requireKeys(owner, mcp, names)
    inOwnWords(owner, () => { requireItem('Tool', { ...mcp, handler: () => '' }) })
    if (methods.length > 1 || !Object.hasOwn(byMethod, method)) {
      throw new TypeError(`${owner} ${oneMethod}`)
    }
    const tool = mcp as unknown as RouteTool
    const other = this.#found.get(tool.name)
    if (other !== undefined && (other.method !== method || other.url !== route.url)) {
      throw new TypeError(`${owner}: ${other.method} ${other.url} already defines the tool ${tool.name}`)
    }
    const headers = headersFor(owner, route.constraints ?? {})
    this.#found.set(tool.name, { tool, method, url: route.url, schema: route.schema ?? {}, headers, scope })
  }

  /**
   * Adds the tools to an endpoint of `app`, which must be ready. `maxBytes` is the largest answer of a route
   * without its own limit. Throws a `TypeError` if a tool cannot be served.
   */
  addTo (addTool: (tool: Tool) => void, app: FastifyInstance, maxBytes: number): void {
    for (const [url, name] of this.#heads) {
      const isOfGet = [...this.#found.values()].some(({ method, tool }) => method === 'GET' && tool.name === name)
      if (!isOfGet) throw new TypeError(`Route HEAD ${url}: config.mcp ${oneMethod}`)
    }
    for (const found of this.#found.values()) {
      inOwnWords(`Route ${found.method} ${found.url}: config.mcp`, () => { addTool(toolOf(app, found, maxBytes)) })
    }
  }
}

/** The routes that `plugins/routes` collects in this scope. `undefined` without that plugin. */
export function routeToolsOf (fastify: FastifyInstance): RouteTools | undefined {
  const { mcpRoutes } = fastify as { mcpRoutes?: unknown }
  return mcpRoutes instanceof RouteTools ? mcpRoutes : undefined
}

function toolOf (app: FastifyInstance, { tool, method, url, schema, headers, scope }: Found, maxBytes: number): Tool {
  const path = parsePath(url)
  const input = inputOf(schema, path, scope.getSchemas())
  const route = {
    url,
    // It is one of those above.
    method: method as NonNullable<InjectOptions['method']>,
    path,
    input,
    headers,
    maxBytes: tool.maxResultBytes ?? maxBytes
  }
  const description = tool.description ?? [schema.description, schema.summary].find(text => typeof text === 'string')
  return {
    ...tool,
    ...(typeof description === 'string' ? { description } : {}),
    input: input.schema,
    annotations: { ...byMethod[method], ...tool.annotations },
    handler: async (args, context) => await callRoute(app, route, args, context)
  }
}

/** Fastify's own constraints are derived from headers. Only the host knows how to satisfy a custom one. */
function headersFor (owner: string, { host, version, ...others }: Record<string, unknown>): Record<string, string> {
  const unknown = Object.keys(others)
  if (unknown.length > 0) {
    throw new TypeError(`${owner} does not support routes with custom constraints: ${unknown.join(', ')}`)
  }
  const headers = { host, 'accept-version': version }
  const given = Object.entries(headers).filter(([, value]) => value !== undefined)
  if (given.every((entry): entry is [string, string] => typeof entry[1] === 'string')) return Object.fromEntries(given)
  throw new TypeError(`${owner} requires constraints that are strings`)
}

function inOwnWords<T> (owner: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new TypeError(`${owner}: ${error.message}`, { cause: error })
  }
}
