/** An app with its own key lookup and a tool that returns its caller. */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { mcpAuth } from '../../src/mcp-auth.js'
import type { McpAuthOptions } from '../../src/chain/options.js'
import type { Endpoint } from '../../src/mcp/endpoint.js'
import type { VerifyKey } from '../../src/app-keys/app-keys.js'
import type { Principal } from '../../src/principal/principal.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink, type LogSink } from './log-sink.js'
import { secretOfTests } from './witness.js'

export const crmKey = secretOfTests('crm-key-of-the-tests-000000001')
export const withCrmKey = { 'x-api-key': crmKey }

/** Returns everything known about the caller. */
export function echo (seen: Principal[] = []) {
  return defineTool({
    name: 'echo',
    handler: (_args, { principal }) => {
      seen.push(principal)
      return { structuredContent: { ...principal } }
    }
  })
}

interface Host { readonly app: FastifyInstance, readonly log: LogSink, readonly endpoint: Endpoint }

export async function host (t: Test, options: McpAuthOptions): Promise<Host> {
  const log = logSink()
  const app = Fastify({ logger: { stream: log } })
  t.teardown(() => app.close())
  let endpoint: Endpoint | undefined
  await app.register(mcpAuth, {
    tools: [echo()],
    // Longer than a busy machine needs.
    verifyKeyTimeoutMs: 120_000,
    onEndpoint: given => { endpoint = given },
    ...options
  })
  await app.ready()
  if (endpoint === undefined) throw new Error('onEndpoint was not called')
  return { app, log, endpoint }
}

/** Accepts one key. */
export const good: VerifyKey = key =>
  key === crmKey ? { id: 'crm:7', keyId: 'k-1', attributes: { tenant: 'acme' } } : null
