/** A key set with a clock and provider answers that the test sets. */
import { type CryptoKey, type JWTHeaderParameters } from 'jose'
import type { Test } from 'tap'
import { UnavailableError } from '../../src/errors.js'
import { createKeySet, type JwkSet, type KeySetOptions } from '../../src/tokens/provider/jwks.js'
import { ProviderError } from '../../src/tokens/provider/fetch-json.js'
import { signingKey } from './issuer.js'

export const first = await signingKey('ES256', 'first')

export const jwks = (...keys: Array<typeof first>): unknown => ({ keys: keys.map(({ jwk }) => jwk) })
export const header = (kid?: string, alg = 'ES256'): JWTHeaderParameters =>
  ({ alg, ...(kid === undefined ? {} : { kid }) })

export const yes = async (): Promise<boolean> => true

interface Stage extends JwkSet {
  /** The number of fetches so far. */
  fetches: () => number
  /** Sets the result of the next fetches. An error is thrown. */
  serve: (document: unknown) => void
  pass: (ms: number) => void
  outcome: (kid: string) => Promise<'key' | 'none' | 'unavailable'>
}

/** Cool-down 10 s, age 600 s, retries after 3 s, as by default. Only `pass` moves the clock. */
export function stage (t: Test, document: unknown, options: Partial<KeySetOptions> = {}): Stage {
  let time = Math.ceil(performance.now())
  t.intercept(performance, 'now', { value: () => time })
  let fetches = 0
  const keys = createKeySet({
    ...options,
    load: async () => {
      fetches++
      if (document instanceof Error) throw document
      return document
    }
  })
  return {
    ...keys,
    fetches: () => fetches,
    serve: next => { document = next },
    pass: ms => { time += ms },
    outcome: async kid => await keys.find(header(kid), yes).then(outcomeOf, refusalOf)
  }
}

const outcomeOf = (key: CryptoKey | undefined): 'key' | 'none' => key === undefined ? 'none' : 'key'

function refusalOf (error: unknown): 'unavailable' {
  if (error instanceof UnavailableError) return 'unavailable'
  throw error
}

export const away = new ProviderError('it cannot be reached')
