/** Derives the key of request states from an existing secret. */
import { hkdfSync } from 'node:crypto'

/**
 * Deterministic for a secret and endpoint; it neither reveals the secret nor can replace it (RFC 5869).
 * `endpoint`: its path, so that a state is valid at one endpoint only.
 */
export function stateKeyOf (secret: string, endpoint: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', `fastify-mcp-auth request state ${endpoint}`, 32))
}
