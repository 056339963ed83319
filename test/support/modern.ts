/** Requests of revision 2026-07-28, complete or with parts left out. */
import type { FastifyInstance } from 'fastify'
import { modern, post, withKey } from './service.js'

export async function send (
  app: FastifyInstance,
  { headers, payload }: { headers: Record<string, string>; payload: unknown },
  credential: Record<string, string> = withKey
) {
  return await post(app, payload, { ...credential, ...headers })
}

export const call = modern('tools/call', { name: 'whoami' })
export const version = 'io.modelcontextprotocol/protocolVersion'
