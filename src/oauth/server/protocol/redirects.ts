/** Validates and compares redirect URIs (RFC 6749 §3.1.2, RFC 8252). */

export interface RedirectRules {
  /**
   * Also accept private-use schemes such as `cursor://`, which only the operator may register. Default false.
   */
  readonly customSchemes?: boolean
}

const maxLength = 2000
const maxRedirects = 20
/** `http` on loopback. The client may use another port at every sign-in (RFC 8252 §7.3). */
const loopback = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(?::(\d{1,5}))?(\/[^?]*)?(\?.*)?$/
/** Schemes that a browser executes or opens itself. */
const dangerous = new Set([
  'javascript:',
  'data:',
  'vbscript:',
  'blob:',
  'file:',
  'filesystem:',
  'about:',
  'ws:',
  'wss:',
  'ftp:',
  'http:',
  'view-source:'
])

/**
 * True for a valid redirect URI: https, or http on loopback, without fragment and user info. Characters that
 * URL parsers interpret differently are refused.
 */
export function isRedirectUri (uri: unknown, { customSchemes = false }: RedirectRules = {}): uri is string {
  if (
    typeof uri !== 'string' ||
    uri.length > maxLength ||
    !/^[\x21-\x7e]+$/.test(uri) ||
    /[\\#"<>^`{|}]/.test(uri)
  ) { return false }
  if (!URL.canParse(uri)) return false
  const { protocol, username, password, hostname } = new URL(uri)
  if (username !== '' || password !== '') return false
  if (protocol === 'https:') {
    return /^https:\/\/[^/?@%]+(?:[/?]|$)/.test(uri) && hostname !== '' && hostname === hostOf(uri)
  }
  if (protocol === 'http:') return isLoopbackRedirect(uri)
  return customSchemes && !dangerous.has(protocol) && /^[a-z][a-z0-9+.-]*:/.test(uri)
}

/** The host as written in the URI. If it differs from the parsed host, the URI is refused. */
function hostOf (uri: string): string {
  const [, authority = ''] = /^https:\/\/([^/?]+)/.exec(uri) ?? []
  return authority.replace(/:\d{1,5}$/, '')
}

export function areRedirectUris (uris: unknown, rules: RedirectRules = {}): uris is readonly string[] {
  return (
    Array.isArray(uris) &&
    uris.length > 0 &&
    uris.length <= maxRedirects &&
    uris.every(uri => isRedirectUri(uri, rules))
  )
}

/** True for http on loopback. Any program that listens on the port gets the code. */
function isLoopbackRedirect (uri: string): boolean {
  const [, , port] = loopback.exec(uri) ?? []
  return loopback.test(uri) && (port === undefined || (Number(port) > 0 && Number(port) <= 65_535))
}

/** True if `uri` equals one of `registered`. On loopback, the port may differ. */
export function matchesRedirect (registered: readonly string[], uri: string): boolean {
  if (registered.includes(uri)) return true
  const wanted = isLoopbackRedirect(uri) ? loopback.exec(uri) : null
  if (wanted === null) return false
  return registered.some(candidate => {
    const known = loopback.exec(candidate)
    return known !== null && known[1] === wanted[1] && known[3] === wanted[3] && known[4] === wanted[4]
  })
}

/** Describes the target of a redirect for the consent page: a site, this computer, or an app. */
export function redirectTarget (uri: string): { readonly kind: 'site' | 'computer' | 'app', readonly name: string } {
  const { protocol, host } = new URL(uri)
  if (protocol === 'https:') return { kind: 'site', name: host }
  return protocol === 'http:' ? { kind: 'computer', name: host } : { kind: 'app', name: protocol }
}

/**
 * The `form-action` source of the Content-Security-Policy: Chromium also applies it to the redirect after the
 * POST. A source cannot name an IPv6 address (CSP 3, host-source), so its scheme is used instead.
 */
export function formActionSource (uri: string): string {
  const { protocol, origin, hostname } = new URL(uri)
  if (protocol !== 'https:' && protocol !== 'http:') return protocol
  return hostname.startsWith('[') ? protocol : origin
}

/** Adds the parameters of the response to the query of `uri` (RFC 6749 §4.1.2). */
export function withAnswer (uri: string, answer: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(answer).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const query = new URLSearchParams(given).toString()
  if (!uri.includes('?')) return `${uri}?${query}`
  return /[?&]$/.test(uri) ? uri + query : `${uri}&${query}`
}
