/** The whole service with default settings, credentials of its callers, and functions that call it. */
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

/** Builds the service. `env` is added to the credentials. It is closed at the test's end. */
export async function service (
  t: Test,
  { env = {}, logStream = logSink(), ...options }: AppOptions = {}
): Promise<FastifyInstance> {
  const app = await buildApp({ env: { ...credentials, ...env }, logStream, ...options })
  t.teardown(async () => {
    const closed = app.close()
    // A connection without a request counts as busy, and `close` would wait for it.
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

/** Returns an `initialize` message. `more` replaces parameters. */
export function initialize (more: Record<string, unknown> = {}): Message {
  return rpc('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
    ...more
  })
}

const revision = '2026-07-28'

/** The `_meta` of every message of revision 2026-07-28. */
export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': revision,
  'io.modelcontextprotocol/clientCapabilities': {}
}

/** Returns a message of revision 2026-07-28 with its `_meta` and its headers. */
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

/** Untyped JSON. Each test asserts what it reads. */
type Parsed = ReturnType<typeof JSON.parse>

/** `body` is the JSON of the reply or the last message of its stream, or `null` if it is empty. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  readonly body: Parsed
}

/** Posts a message, a text or bytes to the endpoint. */
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

/** Returns the messages of an event stream or of a JSON answer. */
export function eventsOf (stream: string): Parsed[] {
  if (/^[{[]/.test(stream)) return [JSON.parse(stream)].flat()
  return stream
    .split('\n')
    .filter(line => line.startsWith('data: ') && line.length > 6)
    .map(line => JSON.parse(line.slice(6)))
}
