/** Refuses calls while the process cannot keep up: 503, before anything is looked at. */
import underPressure, { type FastifyUnderPressureOptions } from '@fastify/under-pressure'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { retryLater, UnavailableError } from '../src/errors.js'
import { hookOf } from '../src/http/library-hook.js'
import { isPublic } from '../src/http/request/route-config.js'
import { requireWhole } from '../src/lib/require.js'

export interface OverloadOptions {
  /**
   * Milliseconds that the event loop may be late, on average over a sample. Default none: lateness is not
   * looked at.
   */
  readonly maxEventLoopDelayMs?: number | undefined
  /** Bytes of JavaScript's heap that may be in use. Default none: the heap is not looked at. */
  readonly maxHeapUsedBytes?: number | undefined
  /** Seconds that a refused caller is told to wait. Default 10. */
  readonly retryAfterSeconds?: number
  /** Milliseconds between two samples, from 10. Default 1,000. */
  readonly sampleIntervalMs?: number
}

/** Public routes and streams that run are left alone: a balancer has to see that the process lives. */
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

export default fp(overload, { name: 'mcp-overload', fastify: '5.x' })
