/** Finds the key set of an identity provider through its metadata. */
import { isSafeUrl } from '../../net/loopback.js'
import { fetchJson, ProviderError } from './fetch-json.js'

/**
 * Creates the loader of an issuer's key set, from `jwksUrl` or else from the address in the issuer's
 * metadata. After a failure the metadata is read again, because the address may have changed.
 */
export function createKeyLoader (issuer: string, jwksUrl?: string): (signal: AbortSignal) => Promise<unknown> {
  const fixed = jwksUrl === undefined ? undefined : new URL(jwksUrl)
  let found: URL | undefined

  return async signal => {
    const url = fixed ?? found ?? await discover(issuer, signal)
    found = undefined
    const keys = await fetchJson(url, signal)
    found = url
    return keys
  }
}

/** The two addresses of the metadata: OpenID Connect Discovery 1.0 §4, and RFC 8414 §3 for plain OAuth. */
export function metadataUrls (issuer: string): readonly URL[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    new URL(`${origin}${path}/.well-known/openid-configuration`),
    new URL(`${origin}/.well-known/oauth-authorization-server${path}`)
  ]
}

async function discover (issuer: string, signal: AbortSignal): Promise<URL> {
  let problem: unknown
  for (const url of metadataUrls(issuer)) {
    try {
      return keysUrl(await fetchJson(url, signal), issuer)
    } catch (error) {
      problem ??= error
      if (signal.aborted) break
    }
  }
  throw problem
}

/** OpenID Connect Discovery 1.0 §4.3: metadata of another issuer would lead to that issuer's keys. */
function keysUrl (metadata: unknown, expected: string): URL {
  const { issuer, jwks_uri: uri } = Object(metadata) as { issuer?: unknown, jwks_uri?: unknown }
  if (issuer !== expected) throw new ProviderError('its metadata belongs to another issuer')
  if (typeof uri !== 'string' || !URL.canParse(uri) || !isSafeUrl(new URL(uri))) {
    throw new ProviderError('its metadata has no https jwks_uri')
  }
  return new URL(uri)
}
