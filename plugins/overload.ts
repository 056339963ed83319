/** Refuses calls with 503 while the process is overloaded. */
import underPressure, { type FastifyUnderPressureOptions } from '@fastify/under-pressure'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { retryLater, UnavailableError } from '../src/errors.js'
import { hookOf } from '../src/http/library-hook.js'
import { isPublic } from '../src/http/request/route-config.js'
import { requireWhole } from '../src/lib/require.js'

export interface OverloadOptions {
  /** The highest event loop delay in milliseconds, averaged over a sample. Default: not checked. */
  readonly maxEventLoopDelayMs?: number | undefined
  /** The most JavaScript heap in use, in bytes. Default: not checked. */
  readonly maxHeapUsedBytes?: number | undefined
  /** `Retry-After` of a refusal, in seconds. Default 10. */
  readonly retryAfterSeconds?: number
  /** Milliseconds between samples, at least 10. Default 1,000. */
  readonly sampleIntervalMs?: number
}

const overload: FastifyPluginAsync<OverloadOptions> = async (fastify, options) => {
  const { maxEventLoopDelayMs, maxHeapUsedBytes, retryAfterSeconds = 10, sampleIntervalMs = 1000 } = options
  requireWhole('overload', { maxEventLoopDelayMs, maxHeapUsedBytes, retryAfterSeconds, sampleIntervalMs })
  if (maxEventLoopDelayMs === undefined && maxHeapUsedBytes === undefined) return
  const settings: FastifyUnderPressureOptions = {
    maxEventLoopDelay: maxEventLoopDelayMs ?? 0,
    maxHeapUsedBytes: maxHeapUsedBytes ?? 0,
    sampleInterval: sampleIntervalMs,
    pressureHandler: (request, _reply, type, value) => {
      if (isPublic(request)) return
      const reason = `the process is overloaded: ${type} is ${Math.round(Number(value))}`
      throw new UnavailableError(retryLater(retryAfterSeconds * 1000, { reason, why: 'overloaded' }))
    }
  }
  fastify.addHook('onRequest', hookOf('@fastify/under-pressure', underPressure, fastify, settings))
}

/**
 * Refuses calls with 503 while the event loop or the heap exceeds its bound. Public routes and open streams go on.
 *
 * @example
 * await app.register(overload, { maxEventLoopDelayMs: 200 })
 */
export default fp(overload, { name: 'mcp-overload', fastify: '5.x' })
