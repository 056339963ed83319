/** Mints, uses and revokes tokens of a server. */
import { type FastifyInstance } from 'fastify'
import { callOf, post, withToken } from './service.js'

export type Headers = Record<string, string>

export const root = withToken('root', 'admin')
export const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })

export async function mint (app: FastifyInstance, args: Record<string, unknown> = {}, headers: Headers = root) {
  const { token, id } = (await post(app, callOf('generate-token', { userId: 'new', ...args }), headers)).body
    .result.structuredContent
  return { id: String(id), headers: bearer(token) }
}

export async function revoke (
  app: FastifyInstance,
  args: Record<string, unknown>,
  tool = 'revoke-token',
  headers: Headers = root
) {
  return (await post(app, callOf(tool, args), headers)).body.result.structuredContent
}
