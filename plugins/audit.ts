/** The audit log: each decision about a caller as a record in a hash chain. */
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { decisionsOf, measuresOf } from '../src/http/decisions.js'
import { requireWhole } from '../src/lib/require.js'
import { AuditLog, type AuditOptions } from '../src/telemetry/audit/audit-log.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The audit of this scope: its last hash, and whether records wait or were dropped. */
    audit: AuditLog
  }
}

export type { AuditOptions }

const shortestKey = 32

const audit: FastifyPluginAsync<AuditOptions> = async (fastify, options) => {
  const { file, stream, key, maxBytes, keep, maxQueuedBytes } = options
  if (file === undefined && stream === undefined) throw new TypeError('audit: give `file`, `stream` or both')
  if (key !== undefined && key.length < shortestKey) {
    throw new TypeError(`audit: \`key\` must have at least ${shortestKey} characters`)
  }
  requireWhole('audit', { maxBytes, keep, maxQueuedBytes })
  const log = await AuditLog.open(options, fastify.log)
  const stop = decisionsOf(fastify).observe(log)
  fastify.decorate('audit', log)
  const measures = measuresOf(fastify)
  measures.add('audit_queue_bytes', () => log.queuedBytes)
  measures.add('audit_dropped_total', () => log.dropped)
  fastify.addHook('onClose', async () => {
    stop()
    await log.close()
  })
}

/**
 * Records each decision about a caller in a hash chain, in a file or on a stream. Decorates the instance with `audit`.
 * Register it before the other plugins of this package, so that it observes their decisions and closes after them.
 * Throws if the file cannot be used.
 *
 * @example
 * await app.register(audit, { file: '/var/log/mcp/audit.jsonl', key: process.env.AUDIT_KEY })
 */
export default fp(audit, { name: 'mcp-audit', fastify: '5.x' })
