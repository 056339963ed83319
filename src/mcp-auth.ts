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
import type { ReadinessProblem } from './http/readiness.js'
import type { McpAuthOptions } from './chain/options.js'
import { openParts } from './chain/parts.js'
import { type Placement, placementIn } from './chain/placement.js'

/**
 * The whole chain, from error handling to `/mcp`, in its own scope. It can be registered several times: registrations
 * do not affect each other or the host's routes. Throws a `TypeError` on an invalid option.
 *
 * @example
 * await app.register(mcpAuth, { prefix: '/tools', apiKeys: [process.env.MCP_KEY], tools: [greet] })
 */
export const mcpAuth: FastifyPluginAsync<McpAuthOptions> = async (scope, options) => {
  await registerChain(scope, options, placementIn(scope, options.prefix))
}

/**
 * Registers the chain on `scope`. The order is the security design; docs/request-life.md describes it from the
 * perspective of a request. Returns a function that lists the problems that limit the service.
 */
export async function registerChain (
  scope: FastifyInstance,
  options: McpAuthOptions,
  { ownsNotFound, logRequests, channel }: Placement
): Promise<() => readonly ReadinessProblem[]> {
  const parts = await openParts(scope, options, channel)

  // First, so that it observes the decisions of all others and closes after them.
  if (parts.audit !== undefined) await scope.register(audit, parts.audit)
  // The same, for the counts of decisions.
  if (parts.metrics !== undefined) await scope.register(metrics, parts.metrics)
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

  return parts.problems
}
