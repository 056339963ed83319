/** Listens on all addresses of `localhost` with one HTTP server. */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { FastifyInstance } from 'fastify'

export interface ListenOptions {
  readonly host: string
  /** 0 picks a free port, the same for every address. */
  readonly port: number
  /** Resolves `localhost` to its addresses. Default: the system's resolver. */
  readonly addressesOf?: (host: string) => Promise<string[]>
}

/**
 * Listens, and resolves to the port. Rejects like `app.listen`. Fastify itself would open a second, hidden
 * HTTP server for the other address of `localhost`, without a client error handler and out of reach of
 * `closeAllConnections`. Like with Fastify, `close` waits only for calls on the first address.
 */
export async function listen (
  app: FastifyInstance,
  { host, port, addressesOf = systemAddresses }: ListenOptions
): Promise<number> {
  const [first = host, ...others] = host === 'localhost' ? await addressesOf(host) : [host]
  const open: Server[] = []
  // Closes together with the main server.
  app.addHook('preClose', async () => {
    for (const server of open) server.close()
  })
  await app.listen({ host: first, port })
  const { port: taken } = app.server.address() as AddressInfo
  for (const address of others) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket =>
      app.server.emit('connection', socket)
    )
    try {
      server.listen({ host: address, port: taken })
      await once(server, 'listening')
      open.push(server)
    } catch (error) {
      // Like Fastify, skips an address that cannot be bound: a machine without IPv6 still has 127.0.0.1.
      app.log.debug({ err: error, address }, 'skipped an address of localhost')
    }
  }
  return taken
}

async function systemAddresses (host: string): Promise<string[]> {
  const found = await lookup(host, { all: true })
  return [...new Set(found.map(({ address }) => address))]
}
