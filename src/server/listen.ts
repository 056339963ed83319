/** Listens, and binds `localhost` to all of its addresses with one HTTP server. */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { FastifyInstance } from 'fastify'

export interface ListenOptions {
  readonly host: string
  /** 0 takes a free one, the same for every address. */
  readonly port: number
  /** The addresses of `localhost`. Default: what the system says. */
  readonly addressesOf?: (host: string) => Promise<string[]>
}

/**
 * Fastify would open a second, hidden HTTP server for the other address of `localhost`: one that
 * has no client error handler, and that `closeAllConnections` does not reach. Resolves to the
 * port; rejects as `app.listen` does. Like Fastify, `close` waits for calls on the first address only.
 */
export async function listen (
  app: FastifyInstance,
  { host, port, addressesOf = systemAddresses }: ListenOptions
): Promise<number> {
  const [first = host, ...others] = host === 'localhost' ? await addressesOf(host) : [host]
  const open: Server[] = []
  // The main server stops accepting at the same moment.
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
      // As Fastify does: a machine without IPv6 still has its 127.0.0.1.
      app.log.debug({ err: error, address }, 'skipped an address of localhost')
    }
  }
  return taken
}

async function systemAddresses (host: string): Promise<string[]> {
  const found = await lookup(host, { all: true })
  return [...new Set(found.map(({ address }) => address))]
}
