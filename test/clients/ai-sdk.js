/** Runs the MCP client of the AI SDK: lists the tools, calls one, and prints both answers as JSON. */
import { createMCPClient } from '@ai-sdk/mcp'

const [url, header] = process.argv.slice(2)
const [name, value] = header.split(': ')
const client = await createMCPClient({ transport: { type: 'http', url, headers: { [name]: value } } })
const tools = await client.tools()
const result = await tools.whoami.execute({}, { toolCallId: '1', messages: [] })
console.log(JSON.stringify({ tools: Object.keys(tools), result }))
await client.close()
