/** Exchanges without a server. */
import { Exchange } from '../../src/mcp/exchange/exchange.js'
import type { Caller } from '../../src/mcp/exchange/caller.js'
import { type Principal, freezePrincipal } from '../../src/principal/principal.js'

export function principalOf (id = 'ada', rights: Partial<Principal> = {}): Principal {
  return freezePrincipal({ id: `jwt:${id}`, role: 'user', scopes: [], method: 'jwt', ...rights })
}

export function callerOf (principal = principalOf(), rest: Partial<Caller> = {}): Caller {
  return {
    principal,
    requestId: 'r-1',
    budget: async () => null,
    charge: async () => {},
    ...rest
  }
}

/** Runs a function within an exchange and ends the exchange, so that no deadline outlives the test. */
export async function during<T> (
  caller: Caller,
  work: (exchange: Exchange) => Promise<T>,
  deadlineMs = 60_000
): Promise<T> {
  const exchange = new Exchange(caller, deadlineMs)
  try {
    return await work(exchange)
  } finally {
    exchange.end()
  }
}
