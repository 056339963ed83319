/** Kills a process behind the proxy 1,000 times and shows what is left: `npx tsx --expose-gc` with this file. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildApp } from '../../src/index.js'

const times = Number(process.argv[2] ?? 1000)
const fixture = fileURLToPath(new URL('../fixtures/upstream.sh', import.meta.url))
const key = 'key-of-the-restarts-0001'
const app = await buildApp({
  env: { API_KEYS: key, RATE_LIMIT_MAX: '1000000', LOG_LEVEL: 'silent' },
  upstreams: { mcpServers: { one: { command: 'sh', args: [fixture] } } }
})

async function call (name: string): Promise<string> {
  const { payload } = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    payload: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }
  })
  return payload
}

function processes (): number {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).filter(name => {
    try {
      return readdirSync(`/proc/${name}/task`).length > 0 && readParent(name) === process.pid
    } catch {
      return false
    }
  }).length
}

function readParent (pid: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1])
}

function show (restarts: number): void {
  globalThis.gc?.()
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  const { heapUsed } = process.memoryUsage()
  process.stdout.write(`${restarts} restarts: ${processes()} children, ${readdirSync('/proc/self/fd').length} descriptors, ` +
    `${listeners} listeners of the process, ${process.getActiveResourcesInfo().length} active resources, ` +
    `${(heapUsed / 1e6).toFixed(1)} MB of heap\n`)
}

await call('pid')
for (let n = 0; n <= times; n++) {
  if (n % (times / 10) === 0) {
    await call('pid')
    await new Promise(resolve => setTimeout(resolve, 500))
    show(n)
  }
  await call('die')
}
await app.close()
