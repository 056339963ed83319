/** A TCP relay that can delay, withhold, cut or redirect connections. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface TcpRelay {
  readonly port: number
  /** The additional delay in milliseconds, in each direction. */
  delayMs: number
  /** The port for new connections. */
  target: number
  /** Drop all data, but keep connections open. */
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
      let [waiting, last] = [0, 0]
      from.on('data', data => {
        if (relay.isSilent) return
        // Keeps the order, even if the delay becomes shorter.
        if (relay.delayMs === 0 && waiting === 0) return to.write(data)
        waiting += 1
        last = Math.max(last, performance.now() + relay.delayMs)
        setTimeout(() => {
          waiting -= 1
          to.write(data)
        }, last - performance.now())
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
