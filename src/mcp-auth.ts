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
  await registerChain(scope, options, { ownsNotFound: takeNotFound(scope, options), logRequests: false })
}

/** The scope's place in the app around it. */
export interface Place {
  /** False where unknown paths belong to the host. */
  readonly ownsNotFound: boolean
  /** Log a line for each request, not for the refused ones alone. */
  readonly logRequests: boolean
  /** Of a worker, to its primary. */
  readonly channel?: Channel | undefined
}

/**
 * Registers the chain on `scope` itself. The order is the security design; docs/request-life.md shows it from a
 * request's side. Returns what stands in the way of serving well, now and later.
 */
export async function registerChain (
  scope: FastifyInstance,
  options: McpAuthOptions,
  { ownsNotFound, logRequests, channel }: Place
): Promise<() => readonly Problem[]> {
  const parts = await openParts(scope, options, channel)

  // Before all others: it hears of what each of them decides, and closes after them.
  if (options.audit !== undefined) await scope.register(audit, options.audit)
  if (options.metrics !== undefined) await scope.register(metrics, options.metrics)
  // First, so that every later refusal has the one shape.
  await scope.register(errors, { notFound: ownsNotFound, logRequests })
  // Before the limits: preflights carry no credential, and refusals keep their CORS headers.
  await scope.register(cors, parts.cors)
  // Before any work: a process that cannot keep up must refuse cheaply. Off unless it is given a bound.
  if (parts.overload !== undefined) await scope.register(overload, parts.overload)
  // Before any credential is looked at: a locked-out address costs one look-up.
  await scope.register(preauthLimit, parts.preauthLimit)
  // Public: people sign clients in here. Before authentication, which takes the tokens that those are given.
  if (parts.oauthServer !== undefined) await scope.register(oauthServer, parts.oauthServer)
  // Puts the caller on the request; a failure is charged to the address by the station before.
  await scope.register(auth, parts.auth)
  // After authentication: the bucket belongs to the caller, not to the address.
  await scope.register(principalLimit, parts.principalLimit)
  // The endpoint stands behind all of them.
  await scope.register(mcp, parts.mcp)
  // Public: clients read it before they have a credential. Only where the server knows its own address.
  if (parts.oauthMetadata !== undefined) await scope.register(oauthMetadata, parts.oauthMetadata)
  // Public: directories and clients read them before they connect. Off unless they are asked for.
  if (parts.discovery !== undefined) await scope.register(discovery, parts.discovery)
  // Public: the link is the credential, and a wrong one is charged to the address.
  if (parts.claim !== undefined) await scope.register(claim, parts.claim)

  return () => [...parts.problems(), ...auditProblem(scope), ...issuerProblem(scope, options)]
}

/** Records that wait for a disk, or were lost. */
function auditProblem (scope: FastifyInstance): Problem[] {
  return scope.hasDecorator('audit') && scope.audit.isDegraded ? [{ reason: 'audit' }] : []
}

/** A provider whose keys were never had. Where its tokens are the only credentials, nobody can be served. */
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

/** The prefixes whose unknown paths one of our scopes answers, by server. */
const taken = new WeakMap<object, Set<string>>()

/**
 * True for the first registration with this prefix of its own; below an inherited one unknown paths
 * are the host's. Fastify takes one not-found handler a prefix, and a second in another scope ends the process.
 */
function takeNotFound ({ server, prefix }: FastifyInstance, { prefix: own = '' }: McpAuthOptions): boolean {
  if (own.replaceAll('/', '') === '') return false
  const prefixes = taken.get(server) ?? new Set()
  const isFirst = !prefixes.has(prefix)
  taken.set(server, prefixes.add(prefix))
  return isFirst
}
