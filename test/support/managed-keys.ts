/** A service with a key file. */
import { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { buildApp } from '../../src/app.js'
import { logSink, type LogSink } from './log-sink.js'
import { type Answer, callOf, post, rpc } from './service.js'
import { until } from './until.js'

interface Served { readonly app: FastifyInstance, readonly log: LogSink }

export async function serve (t: Test, path: string, env: Record<string, string> = {}): Promise<Served> {
  const log = logSink()
  const app = await buildApp({ env: { API_KEYS_FILE: path, ...env }, logStream: log })
  t.teardown(() => app.close())
  return { app, log }
}

/** Calls `whoami` with a key and returns the result. */
export async function whoami (app: FastifyInstance, key: string): Promise<Answer['body']> {
  return (await post(app, callOf('whoami'), { 'x-api-key': key })).body?.result?.structuredContent
}

export async function statusOf (app: FastifyInstance, key: string): Promise<number> {
  return (await post(app, rpc('tools/list'), { 'x-api-key': key })).status
}

/** Waits until requests with the key get this status. Needs a limit above the default. */
export async function becomes (app: FastifyInstance, key: string, status: number): Promise<void> {
  let last = 0
  let isAsking = false
  await until(() => {
    if (!isAsking && last !== status) {
      isAsking = true
      statusOf(app, key).then(found => { last = found; isAsking = false }, () => { isAsking = false })
    }
    return last === status
  })
}

export const roomy = { PREAUTH_RATE_LIMIT_MAX: '100000', RATE_LIMIT_MAX: '100000' }
