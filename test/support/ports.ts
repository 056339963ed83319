/** Free loopback ports for programs that cannot choose their own. */
import { once } from 'node:events'
import { createServer } from 'node:net'

// These ports are below those that the system assigns to `listen(0)` and to outgoing connections, which
// could take a port before the program binds it. Each process starts elsewhere and returns no port twice.
const [first, count, step] = [15_000, 16_000, 40]
let next = (process.pid * step) % count

export async function freePort (): Promise<number> {
  for (let tries = 0; tries < count; tries++) {
    const port = first + next
    next = (next + 1) % count
    if (await isFree(port)) return port
  }
  throw new Error('no port of loopback is free')
}

async function isFree (port: number): Promise<boolean> {
  const server = createServer()
  // On every address, because a program may listen on `localhost`, which can be several addresses.
  server.listen(port)
  try {
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    await new Promise(resolve => { server.close(resolve) })
  }
}
