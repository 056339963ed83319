/** What this server is called as a protected resource of OAuth. */

export interface ProtectedResource {
  /** The endpoint under its public address. */
  readonly url: string
  /** Its names in the `aud` of tokens (RFC 8707): the base alone is none, others may live below it. */
  readonly audience: readonly string[]
  /** Where its metadata is (RFC 9728), below the public address: a proxy may pass nothing else on to us. */
  readonly metadataUrl: string
}

/** Where every protected resource of a host tells about itself (RFC 9728 §3). */
export const metadataPath = '/.well-known/oauth-protected-resource'

/** `publicUrl` is the base of the address that callers use, `path` that of the endpoint below it. */
export function protectedResource (publicUrl: string, path = '/mcp'): ProtectedResource {
  const base = withoutSlash(publicUrl)
  const url = base + path
  return { url, audience: [url, `${url}/`], metadataUrl: base + metadataPath + path }
}

/** `https://mcp.example.com/` and `https://mcp.example.com` are one base. */
export function withoutSlash (url: string): string {
  return url.replace(/\/+$/, '')
}

/**
 * What tokens of this server say of it, where its public base URL is known: that it issued them,
 * and that they are for its endpoint. Never the `iss` of the identity provider, whose tokens are
 * verified in another way.
 */
export function identityOf (
  publicUrl: string | undefined,
  provider?: string,
  path = '/mcp'
): { issuer?: string; audience?: string } {
  if (publicUrl === undefined) return {}
  const base = withoutSlash(publicUrl)
  const audience = `${base}${path}`
  return provider !== undefined && withoutSlash(provider) === base ? { audience } : { issuer: base, audience }
}
