/** An instance of a fleet as a process of its own, with the tools that tests of sessions call. */
import type { AddressInfo } from 'node:net'
import { buildApp } from '../../src/app.js'
import { defineTool } from '../../src/tools/tool.js'
import { ask, count, note, waiting } from './session-fleet.js'

const app = await buildApp({
  env: process.env,
  sessions: {},
  tools: [count, ask, waiting().tool, defineTool({ name: 'pid', handler: () => String(process.pid) })],
  resources: [note]
})
await app.listen({ host: '127.0.0.1', port: 0 })
// What tests wait for; see `start`.
process.stderr.write(`Ready: http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp\n`)
