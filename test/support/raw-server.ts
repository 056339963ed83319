/** A server with short limits on a real port, with its log. */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import errors from '../../plugins/errors.js'
import { UnauthenticatedError } from '../../src/errors.js'
import { registerJsonBody } from '../../src/http/request/json-body.js'
import { serverOptions, type HttpOptions } from '../../src/http/server-options.js'
import { logSink } from './log-sink.js'
import { listen } from './raw-socket.js'

export const key = 'an-old-plain-key'

interface Built { app: FastifyInstance, port: number, log: ReturnType<typeof logSink> }

export async function build (t: Test, options: HttpOptions = {}): Promise<Built> {
  const log = logSink()
  const app = Fastify(serverOptions({ logLevel: 'trace', logStream: log, secrets: [key], ...options }))
  t.teardown(async () => { app.server.closeAllConnections(); await app.close() })
  await app.register(errors, { logRequests: true })
  await app.register(async scope => {
    registerJsonBody(scope, { bodyLimit: 1000 })
    scope.addHook('onRequest', async request => {
      if (request.headers['x-api-key'] !== key) throw new UnauthenticatedError()
    })
    scope.post('/mcp', { config: { jsonRpc: true } }, async () => ({ fine: true }))
  })
  app.get('/fine', async () => ({ fine: true }))
  app.get('/slow', async () => await new Promise(() => {}))
  app.get('/by-name/:name', async () => ({ fine: true }))
  app.get('/ip', async request => ({ ip: request.ip }))
  return { app, port: await listen(app), log }
}

/** Waits for the log line of a request. The server logs it shortly after the connection ends. */
export async function requestLine (log: ReturnType<typeof logSink>): Promise<Record<string, unknown>> {
  for (;;) {
    const line = log.lines().find(line => line.msg === 'request')
    if (line !== undefined) return line
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export const post = (body: string, credential = key): string =>
  `POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: ${credential}\r\nContent-Type: ` +
    `application/json\r\nContent-Length: ${body.length}\r\n\r\n`
