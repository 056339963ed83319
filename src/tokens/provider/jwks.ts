/** The public keys of an identity provider (RFC 7517), cached and fetched only when needed. */
import { createLocalJWKSet, type CryptoKey, errors, type JSONWebKeySet, type JWTHeaderParameters } from 'jose'
import { UnavailableError, retryLater } from '../../errors.js'
import { ProviderError } from './fetch-json.js'
import { isRecord } from '../../lib/guards.js'
import { requireWhole } from '../../lib/require.js'
import { longestTimerMs } from '../../lib/timers.js'

export interface KeySetOptions {
  /** Fetches the set. Must stop when the signal is aborted. */
  readonly load: (signal: AbortSignal) => Promise<unknown>
  /** Milliseconds for one fetch, including discovery. Default 2,000. */
  readonly timeoutMs?: number
  /** Milliseconds between fetches that are caused by tokens with unknown keys. Default 10,000. */
  readonly cooldownMs?: number
  /**
   * Milliseconds after which the set is fetched again, so that withdrawn keys are dropped. Default 600,000.
   */
  readonly maxAgeMs?: number
  /** Milliseconds between retries while the provider cannot be reached. Default 3,000. */
  readonly retryMs?: number
  /** Called with the reason when fetches start to fail, and with `undefined` when they work again. */
  readonly onTurn?: ((why: string | undefined) => void) | undefined
}

export interface JwkSet {
  /**
   * The key that matches a token's header and that `fits`. `undefined` if the provider has no such key.
   * Rejects with an `UnavailableError` if keys must be fetched and the provider cannot be reached.
   */
  find: (header: JWTHeaderParameters, fits: (key: CryptoKey) => Promise<boolean>) => Promise<CryptoKey | undefined>
  /** Like `find`, but only among the cached keys. */
  findHeld: JwkSet['find']
  /**
   * Fetches the set in advance, and retries until there is one: a server that is not ready for lack of keys
   * gets no requests that could trigger the fetch. Returns a function that stops it.
   */
  begin: () => () => void
  /** Reports that no set has been fetched yet, as a sentence. With an outdated set, known keys still work. */
  problems: () => readonly string[]
  /** Milliseconds since the set was fetched (`undefined` if never), and the number of failed fetches. */
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
}: KeySetOptions): JwkSet {
  requireWhole('cache', { timeoutMs })
  let loaded: Loaded | undefined
  /** The failure of the last fetch, if it failed. */
  let failure: { readonly at: number; readonly why: string } | undefined
  /** When a token with an unknown key last caused a fetch. */
  let forcedAt = -Infinity
  let pending: Promise<void> | undefined
  let failures = 0

  /** Concurrent callers share one fetch. Never rejects. */
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

  /**
   * Fetches the set if it is missing or outdated. Old keys stay valid while the provider cannot be reached.
   */
  async function freshen (): Promise<void> {
    if (loaded === undefined) return waitMs() > 0 ? undefined : await refetch()
    if (failure === undefined) { return performance.now() - loaded.loadedAt < maxAgeMs ? undefined : await refetch() }
    // The provider is known to be away: tokens with a known key do not wait for the retry.
    if (waitMs() <= 0) void refetch()
  }

  /** A 503, never a 401: the token may be valid. */
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
        // A key id that exists with another algorithm or type makes the token invalid; the key is known.
        if (key !== undefined || (tried === 0 && header.kid !== undefined)) return key
      }
      // The key is unknown, or the provider replaced it under the same id or without an id.
      if (loaded !== undefined && failure === undefined && performance.now() - forcedAt < cooldownMs) {
        return undefined
      }
      if (waitMs() > 0) throw unavailable()
      // A set that was fetched since then would not differ.
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

/** Skips a broken entry, so that it does not disable the others. */
function readSet (document: unknown): Loaded {
  const { keys } = Object(document) as { keys?: unknown }
  // jose validates the rest, and throws if it is not a key set.
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

/** The keys that match a header: several if an id is repeated or the token has none. Skips unusable keys. */
async function * candidates ({ pick }: Loaded, header: JWTHeaderParameters): AsyncGenerator<CryptoKey> {
  try {
    yield await pick(header)
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) yield * error
  }
}
