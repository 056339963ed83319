/** An instance of a fleet in its own process, with the tools that tests call. */
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import { buildApp } from '../../src/app.js'
import type { Endpoint } from '../../src/mcp/endpoint.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { heapNow } from './heap.js'
import { ask, count, note, waiting } from './session-fleet.js'

let endpoint: Endpoint | undefined

const tools = [
  count,
  ask,
  waiting().tool,
  defineTool({ name: 'pid', handler: () => String(process.pid) }),
  defineTool({ name: 'heavy', cost: 7, handler: () => 'done' }),
  defineTool({ name: 'rare', rate: { max: 3, windowMs: 600_000 }, handler: () => 'done' }),
  defineTool({
    name: 'change',
    input: z.object({ uri: z.string() }),
    handler: ({ uri }) => {
      endpoint?.resourceUpdated(uri)
      return 'told'
    }
  }),
  defineTool({
    name: 'block',
    input: z.object({ ms: z.number() }),
    handler: ({ ms }) => {
      for (const until = performance.now() + ms; performance.now() < until;);
      return 'blocked'
    }
  }),
  defineTool({ name: 'heap', handler: () => String(heapNow()) })
]

const app = await buildApp({
  env: process.env,
  tools,
  resources: [note, defineResource({ name: 'counted', uriTemplate: 'count://{n}', read: () => 'counted' })],
  onEndpoint: made => { endpoint = made }
})
await app.listen({ host: '127.0.0.1', port: 0 })
// Tests wait for this line: see `start`.
process.stderr.write(`Ready: http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp\n`)
