/**
 * A client that connects with a key or a token, lists the tools and calls `whoami`.
 * `API_KEY=… npx tsx examples/client.ts`
 */
import { pathToFileURL } from 'node:url'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

export interface Visit {
  readonly revision: string | undefined
  readonly tools: readonly string[]
  readonly whoami: unknown
}

/** `headers`: `{ 'x-api-key': … }` or `{ authorization: 'Bearer …' }`. */
export async function visit (url: string, headers: Record<string, string>): Promise<Visit> {
  // `auto` uses the latest revision that both sides support.
  const client = new Client({ name: 'example', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  try {
    const { tools } = await client.listTools()
    const { structuredContent } = await client.callTool({ name: 'whoami' })
    return {
      revision: client.getNegotiatedProtocolVersion(),
      tools: tools.map(({ name }) => name),
      whoami: structuredContent
    }
  } finally {
    await client.close()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { MCP_URL = 'http://localhost:3000/mcp', API_KEY = '' } = process.env
  console.log(await visit(MCP_URL, { 'x-api-key': API_KEY }))
}
