/** From a secret that an operator has anyway to the key of the states that callers carry. */
import { hkdfSync } from 'node:crypto'

/**
 * The same for the same secret and endpoint, and of no use to learn or to stand in for the secret (RFC 5869).
 * `endpoint`: its path, so that a state of one endpoint is none of another.
 */
export function stateKeyOf (secret: string, endpoint: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', `fastify-mcp-auth request state ${endpoint}`, 32))
}
