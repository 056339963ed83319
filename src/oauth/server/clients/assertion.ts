/** Authenticates a client by a signed assertion (`private_key_jwt`, RFC 7523 §3). */
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose'
import { sha256 } from '../../../lib/sha256.js'
import { type Documents, useOnce } from '../documents/documents.js'
import { assertionAlgorithms } from '../protocol/metadata.js'
import { OAuthError } from '../protocol/oauth-error.js'
import type { Client } from './client.js'
import { DocumentFetchError, type DocumentFetcher } from './guarded-fetch.js'

export interface AssertionsOptions {
  readonly documents: Documents
  readonly fetchDocument: DocumentFetcher
  /** The accepted values of `aud`: the issuer and the token endpoint. */
  readonly audience: readonly string[]
}

export interface Assertions {
  /**
   * Resolves to a function that marks the assertion as used, and rejects if it was used before. Call it once
   * the rest of the request is valid: anyone can register a client with keys, and its assertions must not
   * fill the store. Rejects with `invalid_client` if the assertion is not valid, and with
   * `temporarily_unavailable` if the keys of the client cannot be fetched.
   */
  verify: (client: Client, assertion: string) => Promise<() => Promise<void>>
}

interface Keys {
  readonly set: ReturnType<typeof createLocalJWKSet>
  readonly loadedAt: number
}

const limits = { maxBytes: 64 * 1024, timeoutMs: 5000 }
const keysMs = 5 * 60_000
const refetchMs = 30_000
const maxKeys = 500
/** Anyone can register clients whose keys are on a slow host. */
const maxFetches = 16
const longestLifeSeconds = 60 * 60
const toleranceSeconds = 30
const maxLength = 8192

export function createAssertions ({ documents, fetchDocument, audience }: AssertionsOptions): Assertions {
  const known = new Map<string, Keys>()
  const pending = new Map<string, Promise<Keys>>()

  async function load (uri: string): Promise<Keys> {
    const running = pending.get(uri)
    if (running !== undefined) return await running
    const loading = fetchDocument(new URL(uri), limits).then(({ json }) => {
      const keys = { set: createLocalJWKSet(json as JSONWebKeySet), loadedAt: Date.now() }
      for (const oldest of known.keys()) if (known.size >= maxKeys) known.delete(oldest)
      known.set(uri, keys)
      return keys
    }).finally(() => { pending.delete(uri) })
    pending.set(uri, loading)
    return await loading
  }

  async function keysOf (uri: string, maxAgeMs: number): Promise<Keys> {
    const cached = known.get(uri)
    if (cached !== undefined && Date.now() - cached.loadedAt < maxAgeMs) return cached
    if (pending.size >= maxFetches && !pending.has(uri)) {
      if (cached !== undefined) return cached
      throw new OAuthError('temporarily_unavailable', 'The keys of too many clients are being fetched', {
        retryAfterSeconds: 5
      })
    }
    try {
      return await load(uri)
    } catch (error) {
      // While the host of the keys is down, use the cached keys.
      if (cached !== undefined) return cached
      throw new OAuthError('temporarily_unavailable', 'The keys of the client cannot be fetched', {
        retryAfterSeconds: 10,
        reason: error instanceof DocumentFetchError ? error.message : 'its key set is not valid'
      })
    }
  }

  async function claimsOf (
    client: Client,
    assertion: string
  ): Promise<{ readonly jti?: unknown; readonly exp?: number; readonly sub?: unknown }> {
    const options = {
      algorithms: [...assertionAlgorithms],
      issuer: client.id,
      subject: client.id,
      audience: [...audience],
      clockTolerance: toleranceSeconds,
      requiredClaims: ['exp', 'jti']
    }
    const { jwks, jwksUri } = client
    if (jwks !== undefined) {
      return (await jwtVerify(assertion, createLocalJWKSet(jwks as unknown as JSONWebKeySet), options))
        .payload
    }
    if (jwksUri === undefined) throw new OAuthError('invalid_client', 'The client has published no keys')
    try {
      return (await jwtVerify(assertion, (await keysOf(jwksUri, keysMs)).set, options)).payload
    } catch (error) {
      // The client may have a new key: fetch the keys again, at most twice a minute, because anybody can
      // cause this.
      if (!(
        error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed
      )) { throw error }
      return (await jwtVerify(assertion, (await keysOf(jwksUri, refetchMs)).set, options)).payload
    }
  }

  return {
    async verify (client, assertion) {
      if (assertion.length > maxLength) throw refused('it is too long')
      const { jti, exp = 0 } = await claimsOf(client, assertion).catch(error => {
        throw error instanceof OAuthError ? error : refused('it does not verify', error)
      })
      if (typeof jti !== 'string' || jti === '' || jti.length > 512) throw refused('jti is not a string')
      if (exp > Date.now() / 1000 + longestLifeSeconds + toleranceSeconds) {
        throw refused('it is valid for more than an hour')
      }
      return async () => {
        const isFirst = await useOnce(
          documents,
          sha256(`assertion ${client.id} ${jti}`),
          (exp + toleranceSeconds + 1) * 1000
        )
        if (!isFirst) throw refused('its jti was used before')
      }
    }
  }
}

function refused (reason: string, cause?: unknown): OAuthError {
  return new OAuthError('invalid_client', 'The client assertion is not valid', {
    reason: `the client assertion is not valid: ${reason}`,
    cause
  })
}
