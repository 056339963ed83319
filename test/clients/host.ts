/** The server that the clients sign in to, and the ways in which it can know them. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Fastify, { type FastifyInstance } from 'fastify'
import { mcpAuth } from '../../src/mcp-auth.js'
import { generateToken } from '../../src/tokens/generate.js'
import { rehosted } from '../support/rehosted.js'

export const key = 'key-of-the-clients-in-the-tests'
export const secret = 'a-secret-of-the-tests-with-more-than-32-bytes'
const run = promisify(execFile)
const cli = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const document = 'https://app.example.com/mcp-remote.json'

/** How the authorization server knows `mcp-remote`, with the arguments that make it use that way. */
export const knownBy: Readonly<Record<string, readonly string[]>> = {
  'by dynamic registration': [],
  'by the operator': ['--static-oauth-client-info', JSON.stringify({ client_id: 'mcp-remote' })],
  'by its document': ['--client-metadata-url', document]
}

/** Builds a server with client documents from this machine. The operator's clients are added by command. */
export async function signInHost (
  publicUrl: string,
  stateDir: string,
  known: string,
  teardowns: Array<() => unknown>
): Promise<FastifyInstance> {
  const redirect = 'http://localhost/oauth/callback'
  const { answer, fetchDocument } = await rehosted({ teardown: done => { teardowns.push(done) } })
  answer(document, { client_id: document, client_name: 'mcp-remote', redirect_uris: [redirect] })
  const app = Fastify()
  await app.register(mcpAuth, {
    apiKeys: [key], jwtSecret: secret, publicUrl, stateDir, oauthServer: { fetchDocument }
  })
  await app.ready()
  // In a separate process, like an operator.
  if (known === 'by the operator') {
    const command = ['--import', 'tsx', cli, 'clients', 'add', '--name', 'mcp-remote', '--id', 'mcp-remote']
    await run(process.execPath, [...command, '--redirect', redirect], {
      env: { PATH: process.env.PATH ?? '', STATE_DIR: stateDir, API_KEYS: key, JWT_SECRET: secret }
    })
  }
  return app
}

export async function revokeGrants (app: FastifyInstance): Promise<void> {
  const { id } = await callAs(app, { name: 'list-grants' }).then(({ grants }) => grants[0])
  const { revoked } = await callAs(app, { name: 'revoke-grant', arguments: { id } })
  if (revoked.length !== 1) throw new Error('the grant was not revoked')
}

/** Calls as an admin. */
async function callAs (app: FastifyInstance, params: object): Promise<ReturnType<typeof JSON.parse>> {
  const response = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers: {
      authorization: `Bearer ${generateToken('admin', 'admin', '1h', { secret })}`,
      'content-type': 'application/json'
    },
    payload: { jsonrpc: '2.0', id: 1, method: 'tools/call', params }
  })
  return response.json().result.structuredContent
}
