/** The whole service under its default settings, its callers' credentials, and short ways to call it. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type AppOptions, buildApp } from '../../src/app.js'
import { generateToken } from '../../src/tokens/generate.js'
import { logSink } from './log-sink.js'
import { secret } from './tokens.js'
import { credentialOfTests, secretOfTests } from './witness.js'

export const adaKey = secretOfTests('key-of-ada-in-the-tests-000001')
export const bobKey = secretOfTests('key-of-bob-in-the-tests-000002')
export const credentials = { API_KEYS: `${adaKey},${bobKey}`, JWT_SECRET: secret }

export const withKey = { 'x-api-key': adaKey }

export function withToken (user: string, role: 'admin' | 'user' = 'user'): { authorization: string } {
  return { authorization: `Bearer ${credentialOfTests(generateToken(user, role, '1h', { secret }))}` }
}

/** Closed at the test's end. `env` is added to the credentials. */
export async function service (
  t: Test,
  { env = {}, logStream = logSink(), ...options }: AppOptions = {}
): Promise<FastifyInstance> {
  const app = await buildApp({ env: { ...credentials, ...env }, logStream, ...options })
  t.teardown(async () => {
    const closed = app.close()
    // A connection on which a client has sent nothing yet counts as busy, and would be waited for.
    app.server.closeAllConnections()
    await closed
  })
  return app
}

/** Listens on a free port of loopback and returns the base URL. */
export async function listening (app: FastifyInstance): Promise<string> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

export interface Message {
  readonly jsonrpc: '2.0'
  readonly id?: string | number
  readonly method: string
  readonly params?: Record<string, unknown>
}

export function rpc (method: string, params?: Record<string, unknown>, id: string | number = 1): Message {
  return { jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) }
}

export function callOf (name: string, args: Record<string, unknown> = {}, id: string | number = 1): Message {
  return rpc('tools/call', { name, arguments: args }, id)
}

/** Opens a session, or only greets. `more`: other params than the usual. */
export function initialize (more: Record<string, unknown> = {}): Message {
  return rpc('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
    ...more
  })
}

const revision = '2026-07-28'

/** What every message of revision 2026-07-28 has in its `_meta`. */
export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': revision,
  'io.modelcontextprotocol/clientCapabilities': {}
}

/** A message of revision 2026-07-28 with its `_meta` and its headers. */
export function modern (
  method: string,
  params: Record<string, unknown> = {},
  id: string | number = 1
): { headers: Record<string, string>; payload: Message } {
  const name = params.name ?? params.uri
  return {
    headers: {
      'mcp-protocol-version': revision,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {})
    },
    payload: rpc(method, { _meta: modernMeta, ...params }, id)
  }
}

/** Outside data that a test looks into, saying what it expects. */
type Parsed = ReturnType<typeof JSON.parse>

/** What came back. `body` is the JSON of the reply, or the last message of its stream; `null` where it is empty. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  readonly body: Parsed
}

/** Posts a message, or any text or bytes, to the endpoint. */
export async function post (
  app: FastifyInstance,
  message: unknown,
  headers: Record<string, string> = withKey,
  url = '/mcp'
): Promise<Answer> {
  const response = await app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json', ...headers },
    payload: typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)
  })
  return {
    status: response.statusCode,
    headers: response.headers,
    text: response.payload,
    body: parse(response.payload)
  }
}

function parse (text: string): Parsed {
  if (text === '') return null
  return text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : eventsOf(text).at(-1)
}

/** The messages of an event stream, in order, or those of a JSON answer. */
export function eventsOf (stream: string): Parsed[] {
  if (/^[{[]/.test(stream)) return [JSON.parse(stream)].flat()
  return stream
    .split('\n')
    .filter(line => line.startsWith('data: ') && line.length > 6)
    .map(line => JSON.parse(line.slice(6)))
}
