/** The whole chain as one Fastify plugin: every register call, in order, on one page. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import audit from '../plugins/audit.js'
import auth from '../plugins/auth.js'
import claim from '../plugins/claim.js'
import cors from '../plugins/cors.js'
import discovery from '../plugins/discovery.js'
import errors from '../plugins/errors.js'
import mcp from '../plugins/mcp.js'
import metrics from '../plugins/metrics.js'
import oauthMetadata from '../plugins/oauth-metadata.js'
import oauthServer from '../plugins/oauth-server.js'
import overload from '../plugins/overload.js'
import preauthLimit from '../plugins/preauth-limit.js'
import principalLimit from '../plugins/principal-limit.js'
import type { Problem } from './http/readiness.js'
import type { McpAuthOptions } from './chain/options.js'
import { openParts } from './chain/parts.js'
import type { Channel } from './workers/channel.js'

/**
 * The whole chain, from error handling to `/mcp`, in its own scope. It can be registered several times: registrations
 * do not affect each other or the host's routes. Throws a `TypeError` on an invalid option.
 *
 * @example
 * await app.register(mcpAuth, { prefix: '/tools', apiKeys: [process.env.MCP_KEY], tools: [greet] })
 */
export const mcpAuth: FastifyPluginAsync<McpAuthOptions> = async (scope, options) => {
  requireFastify5(scope)
  await registerChain(scope, options, { ownsNotFound: takeNotFound(scope, options), logRequests: false })
}

/** The plugins inside check it, too, but their error names a plugin that the host never registered. */
function requireFastify5 ({ version }: FastifyInstance): void {
  if (version.startsWith('5.')) return
  throw new Error(`fastify-mcp-auth needs Fastify 5, and this app uses ${version}: run \`npm install fastify@5\``)
}

/** How the scope fits into the app around it. */
export interface Place {
  /** False if unknown paths belong to the host. */
  readonly ownsNotFound: boolean
  /** Log one line for every request, not only for refused ones. */
  readonly logRequests: boolean
  /** The channel of a worker to its primary. */
  readonly channel?: Channel | undefined
}

/**
 * Registers the chain on `scope`. The order is the security design; docs/request-life.md describes it from the
 * perspective of a request. Returns a function that lists the problems that limit the service.
 */
export async function registerChain (
  scope: FastifyInstance,
  options: McpAuthOptions,
  { ownsNotFound, logRequests, channel }: Place
): Promise<() => readonly Problem[]> {
  const parts = await openParts(scope, options, channel)

  // First, so that it observes the decisions of all others and closes after them.
  if (options.audit !== undefined) await scope.register(audit, options.audit)
  if (options.metrics !== undefined) await scope.register(metrics, options.metrics)
  // Before everything that refuses, so that every refusal has the same shape.
  await scope.register(errors, { notFound: ownsNotFound, logRequests })
  // Before the limits: preflights carry no credential, and refusals keep their CORS headers.
  await scope.register(cors, parts.cors)
  // Before any work: an overloaded process must refuse cheaply. Off unless a bound is set.
  if (parts.overload !== undefined) await scope.register(overload, parts.overload)
  // Before any credential is verified: a request from a locked address costs one look-up.
  await scope.register(preauthLimit, parts.preauthLimit)
  // Public: people sign in clients here. Before authentication, which accepts the resulting tokens.
  if (parts.oauthServer !== undefined) await scope.register(oauthServer, parts.oauthServer)
  // Puts the caller on the request; a failure counts in the preauth limit.
  await scope.register(auth, parts.auth)
  // After authentication: the bucket belongs to the caller, not to the address.
  await scope.register(principalLimit, parts.principalLimit)
  // The endpoint, behind all of them.
  await scope.register(mcp, parts.mcp)
  // Public: clients read it before they have a credential. Only if the server knows its own URL.
  if (parts.oauthMetadata !== undefined) await scope.register(oauthMetadata, parts.oauthMetadata)
  // Public: directories and clients read them before they connect. Off by default.
  if (parts.discovery !== undefined) await scope.register(discovery, parts.discovery)
  // Public: the link is the credential, and a wrong one counts against the address.
  if (parts.claim !== undefined) await scope.register(claim, parts.claim)

  return () => [...parts.problems(), ...auditProblem(scope), ...issuerProblem(scope, options)]
}

/** Audit records that wait for the disk, or were dropped. */
function auditProblem (scope: FastifyInstance): Problem[] {
  return scope.hasDecorator('audit') && scope.audit.isDegraded ? [{ reason: 'audit' }] : []
}

/** The provider's keys were never fetched. If its tokens are the only credentials, the server is not ready. */
function issuerProblem (
  scope: FastifyInstance,
  { apiKeys = [], apiKeysFile, apiKeysIn, jwtSecret }: McpAuthOptions
): Problem[] {
  if (scope.issuerProblems().length === 0) return []
  return [
    {
      reason: 'keys',
      isFatal:
        apiKeys.length === 0 && apiKeysFile === undefined && apiKeysIn !== 'redis' && jwtSecret === undefined
    }
  ]
}

/** The prefixes below which one of our scopes answers unknown paths, by server. */
const taken = new WeakMap<object, Set<string>>()

/**
 * True for the first registration with its own prefix; below an inherited prefix, unknown paths belong to the host.
 * Fastify accepts one not-found handler per prefix, and a second one in another scope ends the process.
 */
function takeNotFound ({ server, prefix }: FastifyInstance, { prefix: own = '' }: McpAuthOptions): boolean {
  if (own.replaceAll('/', '') === '') return false
  const prefixes = taken.get(server) ?? new Set()
  const isFirst = !prefixes.has(prefix)
  taken.set(server, prefixes.add(prefix))
  return isFirst
}
