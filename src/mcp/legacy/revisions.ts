/** The revisions that this era serves. */
import { LATEST_PROTOCOL_VERSION, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { RpcRequest } from '../wire/messages.js'

/** The SDK also supports 2024-10-07, a draft before the first revision. */
export const served: readonly string[] = SUPPORTED_PROTOCOL_VERSIONS.filter(revision => revision >= '2024-11-05')

/**
 * The `initialize` request for the SDK. A revision that is not served is treated like an unknown one: the answer
 * names the latest revision (MCP 2025-11-25, Lifecycle, Version Negotiation).
 */
export function withServedRevision<T extends RpcRequest> (request: T): T {
  const { method, params } = request
  if (method !== 'initialize' || served.includes(String(params?.protocolVersion))) return request
  return { ...request, params: { ...params, protocolVersion: LATEST_PROTOCOL_VERSION } }
}
