/** The revisions that this era serves. */
import { LATEST_PROTOCOL_VERSION, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { RpcRequest } from '../wire/messages.js'

/** The SDK also knows 2024-10-07, a draft of before the first revision. */
export const served: readonly string[] = SUPPORTED_PROTOCOL_VERSIONS.filter(revision => revision >= '2024-11-05')

/**
 * An `initialize` as the SDK is to see it: a revision that is not served is answered with the latest one, as any
 * unknown one is (MCP 2025-11-25, Lifecycle, Version Negotiation).
 */
export function agreeable<T extends RpcRequest> (request: T): T {
  const { method, params } = request
  if (method !== 'initialize' || served.includes(String(params?.protocolVersion))) return request
  return { ...request, params: { ...params, protocolVersion: LATEST_PROTOCOL_VERSION } }
}
