/** Puts a stdio MCP server under load directly, with nothing in between. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Starts and initializes the server. `load` is like that of load.js, with `connections` concurrent calls. */
export async function openStdio (command, args, call) {
  const child = spawn(command, args, { env: { PATH: process.env.PATH }, stdio: ['pipe', 'pipe', 'ignore'] })
  const waiting = new Map()
  let nextId = 1
  createInterface({ input: child.stdout }).on('line', line => {
    const message = JSON.parse(line)
    waiting.get(message.id)?.(message)
    waiting.delete(message.id)
  })
  const send = message => { child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`) }
  const ask = (method, params) => new Promise(resolve => {
    const id = nextId++
    waiting.set(id, resolve)
    send({ id, method, params })
  })
  await ask(
    'initialize',
    { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } }
  )
  send({ method: 'notifications/initialized' })

  return {
    async load ({ connections, seconds }) {
      const latencies = []
      const begun = performance.now()
      const end = begun + seconds * 1000
      const one = async () => {
        for (let at = performance.now(); at < end;) {
          const { error } = await ask('tools/call', call)
          if (error !== undefined) throw new Error(error.message)
          const now = performance.now()
          latencies.push(now - at)
          at = now
        }
      }
      await Promise.all(Array.from({ length: connections }, one))
      const ms = performance.now() - begun
      latencies.sort((a, b) => a - b)
      const at = share => latencies[Math.floor(latencies.length * share)]
      return { requests: latencies.length, rate: latencies.length / ms * 1000, p50: at(0.5), p99: at(0.99) }
    },
    stop: () => child.kill('SIGKILL')
  }
}
