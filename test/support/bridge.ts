/** An endpoint for the property test of the bridge, with all its exchanges. */
import { RunningCalls } from '../../src/mcp/exchange/running-calls.js'
import { type McpEndpoint, createEndpoint } from '../../src/mcp/era-router.js'
import { MemoryOneTimeStore } from '../../src/tokens/one-time-store.js'
import { catalogOfDeeds } from './deeds.js'

/** A deadline that no working call reaches. */
export const longMs = 120_000

export interface Opened {
  readonly endpoint: McpEndpoint
  /** All running exchanges of the endpoint. */
  readonly running: RunningCalls
}

export function open (): Opened {
  return {
    endpoint: createEndpoint({
      catalog: catalogOfDeeds(),
      stateKey: new Uint8Array(32),
      spent: new MemoryOneTimeStore()
    }),
    running: new RunningCalls()
  }
}
