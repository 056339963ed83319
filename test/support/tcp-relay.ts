/** A TCP way between a client and a server that can be slow, silent, cut, or lead elsewhere. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface TcpRelay {
  readonly port: number
  /** Milliseconds that every piece of data takes more, in both directions. */
  delayMs: number
  /** Where new connections lead. */
  target: number
  /** Nothing gets through any more, and nothing is closed. */
  isSilent: boolean
  /** Closes all connections. */
  readonly cut: () => void
}

export async function tcpRelay (t: Test, target: number): Promise<TcpRelay> {
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connect(relay.target, '127.0.0.1')
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(from)
      from.on('data', data => {
        if (relay.isSilent) return
        if (relay.delayMs === 0) to.write(data)
        else setTimeout(() => { to.write(data) }, relay.delayMs)
      })
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const cut = (): void => { for (const socket of sockets) socket.destroy() }
  t.teardown(async () => {
    cut()
    await new Promise(resolve => server.close(resolve))
  })
  const relay = { port: (server.address() as AddressInfo).port, delayMs: 0, target, isSilent: false, cut }
  return relay
}
