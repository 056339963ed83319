/** Problems that plugins of the chain report after they are registered. */
import type { FastifyInstance } from 'fastify'
import type { ReadinessProblem } from '../http/readiness.js'
import type { McpAuthOptions } from './options.js'

export function pluginProblems (scope: FastifyInstance, options: McpAuthOptions): ReadinessProblem[] {
  return [...auditProblem(scope), ...issuerProblem(scope, options)]
}

/** Audit records that wait for the disk, or were dropped. */
function auditProblem (scope: FastifyInstance): ReadinessProblem[] {
  return scope.hasDecorator('audit') && scope.audit.isDegraded ? [{ reason: 'audit' }] : []
}

/** The provider's keys were never fetched. If its tokens are the only credentials, the server is not ready. */
function issuerProblem (
  scope: FastifyInstance,
  { apiKeys = [], apiKeysFile, apiKeysIn, jwtSecret }: McpAuthOptions
): ReadinessProblem[] {
  if (scope.issuerProblems().length === 0) return []
  return [
    {
      reason: 'keys',
      isFatal:
        apiKeys.length === 0 && apiKeysFile === undefined && apiKeysIn !== 'redis' && jwtSecret === undefined
    }
  ]
}
