/** Exchanges of a made-up caller, for what needs one but no server. */
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

/** Does something within an exchange that ends with it, so that no deadline outlives the test. */
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
