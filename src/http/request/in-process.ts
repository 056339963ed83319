/** Requests that this process makes to itself in the name of a principal: no credential is made up for them. */
import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { Principal } from '../../principal/principal.js'

/** Read of requests by `inject` alone, and good for one of them. */
const header = 'x-mcp-in-process'

const granted = new Map<string, Principal>()

/**
 * Makes one request by `inject`, which is handed the header that lets it pass as `principal`. A request over a
 * socket cannot use the header, nor can a second one.
 */
export async function asPrincipal<T> (
  principal: Principal,
  inject: (headers: Record<string, string>) => Promise<T>
): Promise<T> {
  const nonce = randomBytes(32).toString('base64url')
  granted.set(nonce, principal)
  try {
    return await inject({ [header]: nonce })
  } finally {
    granted.delete(nonce)
  }
}

/** The principal that a request of this process was made for. */
export function principalInProcess ({ raw }: FastifyRequest): Principal | undefined {
  if (granted.size === 0 || raw.socket instanceof Socket) return undefined
  const nonce = raw.headers[header]
  if (typeof nonce !== 'string') return undefined
  const principal = granted.get(nonce)
  granted.delete(nonce)
  return principal
}
