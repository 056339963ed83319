/** A proxy that adds a key to each request, if one is given, because the suite cannot send headers. */
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  createServer,
  request
} from 'node:http'
import { pipeline } from 'node:stream'

export interface PassThrough {
  readonly url: string
  close: () => Promise<void>
}

/**
 * `target` is the URL of the endpoint, `others` those of further instances, which get requests in turn.
 * Streams in both directions, and disconnects from the server when the caller disconnects.
 */
export async function openPassThrough (
  target: URL,
  apiKey: string | undefined,
  others: readonly URL[] = []
): Promise<PassThrough> {
  const targets = [target, ...others]
  let count = 0
  const server = createServer((incoming, reply) => {
    forward(incoming, reply, targets[count++ % targets.length] ?? target, apiKey)
  })
  // Streams may be silent for any time.
  server.requestTimeout = 0
  const own = await listen(server)
  return {
    url: `http://${own}${target.pathname}`,
    async close () {
      server.closeAllConnections()
      await new Promise(resolve => { server.close(resolve) })
    }
  }
}

function forward (incoming: IncomingMessage, reply: ServerResponse, target: URL, apiKey?: string): void {
  const { method, url: path, headers } = incoming
  const outgoing = request({
    hostname: target.hostname,
    port: target.port,
    method,
    path,
    headers: { ...renamed(headers, incoming, target), ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }) }
  })
  outgoing.once('response', answer => {
    reply.writeHead(answer.statusCode ?? 502, answer.headers)
    // Sends the headers at once, because the first event of a stream may take long.
    reply.flushHeaders()
    pipeline(answer, reply, () => { outgoing.destroy() })
  })
  outgoing.once('error', () => {
    if (reply.headersSent) reply.destroy()
    else reply.writeHead(502).end()
  })
  reply.once('close', () => { outgoing.destroy() })
  pipeline(incoming, outgoing, () => {})
}

/** Replaces only the proxy's own name, because the server must see the Host and Origin of foreign pages. */
function renamed (headers: IncomingHttpHeaders, { socket }: IncomingMessage, target: URL): IncomingHttpHeaders {
  const { host, origin, connection: _, 'keep-alive': __, ...rest } = headers
  const port = String(socket.localPort)
  const isOwn = (name: string | undefined): boolean =>
    ['localhost', '127.0.0.1', '[::1]'].some(own => name === `${own}:${port}`)
  return {
    ...rest,
    ...(host === undefined ? {} : { host: isOwn(host) ? target.host : host }),
    ...(origin === undefined ? {} : { origin: isOwn(/^http:\/\/(.*)$/.exec(origin)?.[1]) ? target.origin : origin })
  }
}

async function listen (server: Server): Promise<string> {
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(0, '127.0.0.1', resolve) })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the pass-through has no port')
  return `127.0.0.1:${address.port}`
}
