/** A server with the errors plugin and a route for each kind of failure. */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import errors from '../../plugins/errors.js'
import { logSink } from './log-sink.js'

export const secret = 'hunter2-in-a-message'

export async function build (t: Test, sink = logSink()): Promise<FastifyInstance> {
  const app = Fastify({ logger: { stream: sink, level: 'trace' } })
  t.teardown(() => app.close())
  await app.register(errors)
  return app
}
