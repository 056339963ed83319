/** The public keys of an identity provider (RFC 7517): cached, and fetched no more often than needed. */
import { createLocalJWKSet, type CryptoKey, errors, type JSONWebKeySet, type JWTHeaderParameters } from 'jose'
import { UnavailableError, retryLater } from '../../errors.js'
import { ProviderError } from './fetch-json.js'
import { isRecord } from '../../lib/guards.js'
import { requireWhole } from '../../lib/require.js'
import { longestTimerMs } from '../../lib/timers.js'

export interface KeySetOptions {
  /** Fetches the set. Must end when the signal does. */
  readonly load: (signal: AbortSignal) => Promise<unknown>
  /** Milliseconds for one fetch with all its steps. Default 2,000. */
  readonly timeoutMs?: number
  /** Milliseconds in which only the first token that no key fits makes us fetch. Default 10,000. */
  readonly cooldownMs?: number
  /** Milliseconds after which the set is fetched again, so that a withdrawn key ends. Default 600,000. */
  readonly maxAgeMs?: number
  /** Milliseconds between tries while the provider is away. Default 3,000. */
  readonly retryMs?: number
  /** Told why, when fetching begins to fail, and `undefined` when it works again; not of each failure between. */
  readonly onTurn?: ((why: string | undefined) => void) | undefined
}

export interface KeySet {
  /**
   * The key that a token's header allows and that `fits`, or `undefined` where the provider has none.
   * Rejects with an `UnavailableError` where only the provider could tell, and it is away.
   */
  find: (header: JWTHeaderParameters, fits: (key: CryptoKey) => Promise<boolean>) => Promise<CryptoKey | undefined>
  /** Like `find` among the keys at hand: asks the provider for nothing. */
  findHeld: KeySet['find']
  /**
   * Fetches the set before anybody asks, and again and again while there is none: who is not ready
   * for want of keys is sent no tokens that could bring them. Returns how to end that.
   */
  begin: () => () => void
  /**
   * What stands in the way of judging tokens: that there never was a set. With an old one, known keys are
   * good as ever.
   */
  problems: () => readonly string[]
  /** Milliseconds since the set was fetched, `undefined` where it never was; and how many fetches failed. */
  health: () => KeySetHealth
}

export interface KeySetHealth {
  readonly ageMs: number | undefined
  readonly failures: number
}

interface Loaded {
  readonly pick: ReturnType<typeof createLocalJWKSet>
  readonly ids: ReadonlySet<unknown>
  readonly loadedAt: number
}

/** Throws a `RangeError` on a `timeoutMs` that is not a whole number from 1. */
export function createKeySet ({
  load,
  timeoutMs = 2000,
  cooldownMs = 10_000,
  maxAgeMs = 600_000,
  retryMs = 3000,
  onTurn = () => {}
}: KeySetOptions): KeySet {
  requireWhole('cache', { timeoutMs })
  let loaded: Loaded | undefined
  /** Of the last fetch, where it failed. */
  let failure: { readonly at: number; readonly why: string } | undefined
  /** When a token that no key fits last made us fetch. */
  let forcedAt = -Infinity
  let pending: Promise<void> | undefined
  let failures = 0

  /** All callers share one fetch at a time. Never rejects. */
  function refetch (): Promise<void> {
    pending ??= attempt().finally(() => {
      pending = undefined
    })
    return pending
  }

  async function attempt (): Promise<void> {
    try {
      loaded = readSet(await load(AbortSignal.timeout(Math.min(timeoutMs, longestTimerMs))))
      if (failure !== undefined) onTurn(undefined)
      failure = undefined
    } catch (error) {
      const why = error instanceof ProviderError ? error.message : 'its key set is not valid'
      if (failure === undefined) onTurn(why)
      failure = { at: performance.now(), why }
      failures += 1
    }
  }

  function waitMs (): number {
    return failure === undefined ? 0 : failure.at + retryMs - performance.now()
  }

  /** Sees to it that the set is there and not old. Old keys stay good while the provider is away. */
  async function freshen (): Promise<void> {
    if (loaded === undefined) return waitMs() > 0 ? undefined : await refetch()
    if (failure === undefined) { return performance.now() - loaded.loadedAt < maxAgeMs ? undefined : await refetch() }
    // Known to be away: nobody with a known key waits for the next try.
    if (waitMs() <= 0) void refetch()
  }

  /** Nobody's fault but the provider's; never a 401, because the token may be good. */
  function unavailable (): Error {
    const reason = `the identity provider's keys are not available: ${failure?.why ?? 'it does not answer'}`
    return new UnavailableError(retryLater(Math.max(1000, waitMs()), { reason }))
  }

  return {
    async find (header, fits) {
      const askedAt = performance.now()
      await freshen()
      if (loaded !== undefined && (header.kid === undefined || loaded.ids.has(header.kid))) {
        const { key, tried } = await firstOf(loaded, header, fits)
        // An id that is there with another algorithm or type is a bad token, not an unknown key.
        if (key !== undefined || (tried === 0 && header.kid !== undefined)) return key
      }
      // Unknown, or by a key that the provider renewed under the same id or without one.
      if (loaded !== undefined && failure === undefined && performance.now() - forcedAt < cooldownMs) {
        return undefined
      }
      if (waitMs() > 0) throw unavailable()
      // A set that came since would only come once more.
      if (loaded === undefined || loaded.loadedAt < askedAt) await refetch()
      if (loaded === undefined || failure !== undefined) throw unavailable()
      forcedAt = performance.now()
      return (await firstOf(loaded, header, fits)).key
    },

    async findHeld (header, fits) {
      return loaded === undefined ? undefined : (await firstOf(loaded, header, fits)).key
    },

    begin () {
      let timer: NodeJS.Timeout | undefined
      let isOver = false
      const tryOn = async (): Promise<void> => {
        if (loaded === undefined && waitMs() <= 0) await refetch()
        if (loaded === undefined && !isOver) {
          timer = setTimeout(
            () => {
              void tryOn()
            },
            Math.max(1, waitMs())
          ).unref()
        }
      }
      void tryOn()
      return () => {
        isOver = true
        clearTimeout(timer)
      }
    },

    health: () => ({
      ageMs: loaded === undefined ? undefined : performance.now() - loaded.loadedAt,
      failures
    }),

    problems: () =>
      failure === undefined || loaded !== undefined
        ? []
        : [`the identity provider's keys are not available: ${failure.why}`]
  }
}

/** One broken entry must not end all others. */
function readSet (document: unknown): Loaded {
  const { keys } = Object(document) as { keys?: unknown }
  // Checked by jose, which throws where it is no key set.
  const pick = createLocalJWKSet((Array.isArray(keys) ? { keys: keys.filter(isRecord) } : document) as JSONWebKeySet)
  return { pick, ids: new Set(pick.jwks().keys.map(({ kid }) => kid)), loadedAt: performance.now() }
}

async function firstOf (
  loaded: Loaded,
  header: JWTHeaderParameters,
  fits: (key: CryptoKey) => Promise<boolean>
): Promise<{ key?: CryptoKey; tried: number }> {
  let tried = 0
  for await (const key of candidates(loaded, header)) {
    tried += 1
    if (await fits(key)) return { key, tried }
  }
  return { tried }
}

/** Several where an id is published twice, or the token has none; none where the key can't be used. */
async function * candidates ({ pick }: Loaded, header: JWTHeaderParameters): AsyncGenerator<CryptoKey> {
  try {
    yield await pick(header)
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) yield * error
  }
}
