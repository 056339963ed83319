/** Callers and tools of every kind at one endpoint, and what is wrong with their answers. */
import { RunningCalls } from '../../src/mcp/exchange/running-calls.js'
import { type McpEndpoint, createEndpoint } from '../../src/mcp/era-router.js'
import { MemoryOneTimeStore } from '../../src/tokens/one-time-store.js'
import { catalogOfDeeds } from './deeds.js'

/** Nothing here takes so long: where this deadline is what ends a call, nobody else would have. */
export const longMs = 120_000

export interface Opened {
  readonly endpoint: McpEndpoint
  /** Those of all its exchanges. */
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
