/** The service with other MCP servers behind it, and clients of both eras. */
import { fileURLToPath } from 'node:url'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { AppOptions } from '../../src/app.js'
import type { UpstreamOptions } from '../../src/upstreams/options.js'
import { service } from './service.js'

const [fixture, hostileFixture] = ['upstream', 'hostile-upstream'].map(name =>
  fileURLToPath(new URL(`../fixtures/${name}.js`, import.meta.url))
) as [string, string]

/** A server built with the SDK. */
export function stdio (...faults: string[]): UpstreamOptions {
  return { command: process.execPath, args: [fixture, ...faults] }
}

/** A server without an SDK that starts fast and misbehaves. */
export function hostile (...faults: string[]): UpstreamOptions {
  return { command: process.execPath, args: [hostileFixture, ...faults] }
}

export async function serving (
  t: Test,
  mcpServers: Record<string, UpstreamOptions>,
  options: AppOptions = {}
): Promise<FastifyInstance> {
  return await service(t, {
    upstreams: { mcpServers, ...(options.upstreams ?? {}) },
    ...options,
    env: { RATE_LIMIT_MAX: '100000', MCP_SESSIONS: 'on', ...options.env }
  })
}

export async function client (
  t: Test,
  url: string,
  key: string,
  { era = 'modern', colour }: { era?: 'modern' | 'legacy'; colour?: string } = {}
): Promise<Client> {
  const made = new Client(
    { name: 'tests', version: '1' },
    {
      ...(colour === undefined ? {} : { capabilities: { elicitation: { form: {} } } }),
      ...(era === 'modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {})
    }
  )
  if (colour !== undefined) {
    made.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: { colour } }))
  }
  await made.connect(
    new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
      requestInit: { headers: { 'x-api-key': key } }
    })
  )
  t.teardown(async () => {
    await made.close()
  })
  return made
}

export function textOf (result: unknown): string {
  return (result as { content: Array<{ text?: string }> }).content[0]?.text ?? ''
}
