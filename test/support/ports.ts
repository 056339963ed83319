/** Free ports of loopback for programs that have to be told theirs. */
import { once } from 'node:events'
import { createServer } from 'node:net'

// Below the ports that a system gives to `listen(0)` and to outgoing connections, so that none of those takes a port
// between here and the program that binds it. Each process begins elsewhere, and gives no port twice.
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
  // On every address: a program may listen on `localhost`, which is more than one.
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
