/** The names of this server as an OAuth protected resource. */

export interface ProtectedResource {
  /** The public URL of the endpoint. */
  readonly url: string
  /** Its names in the `aud` of tokens (RFC 8707). The base URL is not one: it may have other services. */
  readonly audience: readonly string[]
  /**
   * The URL of its metadata (RFC 9728), below the public URL, because a proxy may forward nothing else to us.
   */
  readonly metadataUrl: string
}

/** The path prefix of protected resource metadata (RFC 9728 §3). */
export const metadataPath = '/.well-known/oauth-protected-resource'

/** `publicUrl` is the base URL that callers use; `path` is the endpoint's path below it. */
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
 * The `iss` and `aud` of tokens that this server creates, if its public base URL is known. Tokens of the
 * identity provider have another `iss` and are verified separately.
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
