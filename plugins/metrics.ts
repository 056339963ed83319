/** Prometheus metrics on a separate port. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { decisionsOf, measuresOf } from '../src/http/decisions.js'
import { isSameSecret } from '../src/lib/same-secret.js'
import { OperatorError } from '../src/lib/operator-error.js'
import { isLoopback } from '../src/net/loopback.js'
import { mergeTexts } from '../src/telemetry/metrics/merge.js'
import { Metrics } from '../src/telemetry/metrics/metrics.js'
import { contentType } from '../src/telemetry/metrics/text-format.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Returns all metrics as text, for a host that serves them itself. */
    metrics: () => string
  }
}

export interface MetricsOptions {
  /** The port; 0 picks a free one. Default: no listener, and the host serves `app.metrics()`. */
  readonly port?: number | undefined
  /** The name or address to bind to. Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** Required as `Authorization: Bearer`; mandatory beyond loopback. Default: everybody who can connect may read. */
  readonly token?: string | undefined
  /**
   * For several processes on one port. `own` returns the metrics of this process. The returned function
   * resolves to the metrics of all processes, each with the name of its process.
   */
  readonly gather?: ((own: () => string) => () => Promise<ReadonlyArray<readonly [string, string]>>) | undefined
}

/** The metrics listener cannot bind to its address. */
class MetricsListenError extends OperatorError {
  override readonly name = 'MetricsListenError'
}

const timeoutMs = 10_000

const metrics: FastifyPluginAsync<MetricsOptions> = async (fastify, options) => {
  const { port, host = '127.0.0.1', token, gather } = options
  if (token === '') throw new TypeError('metrics: `token` must be a non-empty string')
  if (!isLoopback(host) && token === undefined) {
    throw new TypeError('metrics: `token` is required if `host` is not loopback')
  }
  const own = new Metrics(measuresOf(fastify), error => {
    fastify.log.error({ err: error }, 'the metrics failed to count a decision; logged once')
  })
  const stop = decisionsOf(fastify).observe(own)
  fastify.decorate('metrics', () => own.text())
  fastify.addHook('onClose', async () => {
    stop()
    own.close()
  })
  const ofAll = gather?.(() => own.text())
  const text = async (): Promise<string> => ofAll === undefined ? own.text() : mergeTexts(await ofAll())
  if (port !== undefined) listenWith(fastify, { port, host, token }, text)
}

function listenWith (
  fastify: FastifyInstance,
  { port, host, token }: { port: number; host: string; token: string | undefined },
  text: () => Promise<string>
): void {
  const server = createServer(
    { requestTimeout: timeoutMs, headersTimeout: timeoutMs },
    (request, response) => {
      answer(request, response, token, text).catch((error: unknown) => {
        fastify.log.error({ err: error }, 'the metrics could not be collected')
        response.destroy()
      })
    }
  )
  server.setTimeout(timeoutMs)
  fastify.addHook('onReady', async () => {
    const taken = await listen(server, port, host)
    fastify.log.info({ host, port: taken }, 'metrics are served')
  })
  fastify.addHook('onClose', async () => {
    server.closeAllConnections()
    await new Promise<void>(resolve => {
      server.close(() => {
        resolve()
      })
    })
  })
}

async function listen (server: Server, port: number, host: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    server.once('error', error => {
      const { code } = error as NodeJS.ErrnoException
      reject(
        new MetricsListenError(
          `Cannot listen on ${host}, port ${port}, for metrics (${code}): set METRICS_PORT or METRICS_HOST to another.`,
          { cause: error }
        )
      )
    })
    server.listen(port, host, () => { resolve((server.address() as AddressInfo).port) })
  })
}

async function answer (
  request: IncomingMessage,
  response: ServerResponse,
  token: string | undefined,
  text: () => Promise<string>
): Promise<void> {
  const [path] = (request.url ?? '').split('?', 1)
  if (path !== '/metrics') return end(response, 404)
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405, { allow: 'GET, HEAD' })
  const { authorization = '', host = '' } = request.headers
  // DNS rebinding: a page in a browser on this machine must not read them under its own host name.
  if (token === undefined && !isAddress(host)) return end(response, 403)
  // The name of the scheme is case-insensitive (RFC 9110 §11.1).
  if (token !== undefined && !isSameSecret(authorization.replace(/^bearer /i, 'Bearer '), `Bearer ${token}`)) {
    return end(response, 401, { 'www-authenticate': 'Bearer realm="metrics"' })
  }
  end(response, 200, { 'content-type': contentType }, request.method === 'HEAD' ? '' : await text())
}

function end (response: ServerResponse, status: number, headers: Record<string, string> = {}, body = ''): void {
  response.writeHead(status, { 'cache-control': 'no-store', ...headers }).end(body)
}

/** `localhost` or an IP address, with or without a port. */
function isAddress (host: string): boolean {
  return /^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[\da-f:.]+\])(?::\d+)?$/i.test(host)
}

/**
 * Serves Prometheus metrics on a separate port, and decorates the instance with `metrics()`, which returns their text.
 * Register it before the other plugins of this package. Throws if `host` is not loopback and there is no `token`.
 *
 * @example
 * await app.register(metrics, { port: 9464 })
 */
export default fp(metrics, { name: 'mcp-metrics', fastify: '5.x' })
