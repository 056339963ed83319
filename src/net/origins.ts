/** Parses the allowlists of origins and hosts, and checks a request's `Origin` and `Host` against them. */

/** `own`: the server's own pages. `absent`: no browser context, or a same-origin GET. */
export type OriginVerdict = 'absent' | 'listed' | 'own' | 'foreign'

export type Scheme = 'http' | 'https'

export interface EdgeRules {
  /** Exact origins, such as `https://app.example.com` or `tauri://localhost`. Default none: CORS is off. */
  readonly origins?: readonly string[]
  /** `name` (any port) or `name:port`. Default none. */
  readonly allowedHosts?: readonly string[]
  /** The base URL that callers use. Its host and origin count as ours. */
  readonly publicUrl?: string
  /**
   * True if the server listens on loopback: `localhost`, `127.0.0.1` and `[::1]` then count as ours, at any
   * port. Default true. If it is false and there are no `allowedHosts` and no `publicUrl`, `Host` is not
   * checked.
   */
  readonly loopback?: boolean
}

export interface Edge {
  /** The parsed allowlist, without duplicates. Empty: CORS is off. */
  readonly origins: readonly string[]
  /** If false, every `Host` is accepted, because our own name is not configured. */
  readonly checksHost: boolean
  /** True if a `Host` header names this server. A missing header does not, if hosts are checked. */
  readonly servesHost: (host: string | undefined) => boolean
  /**
   * `host` must have been accepted before, because our own origin is derived from it (DNS rebinding).
   * `scheme` is that of the request, default `http`.
   */
  readonly judgeOrigin: (origin: string | undefined, host: string | undefined, scheme?: Scheme) => OriginVerdict
}

const loopbackHosts = ['localhost', '127.0.0.1', '[::1]'] as const
/** `uri-host [":" port]` of RFC 9110 §7.2, without obscure forms that only a URL parser accepts. */
const hostForm = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?)(?::(\d{1,5}))?$/
/** The authority of an app or extension. It need not be a valid host name, such as `-`. */
const appAuthority = /^[a-z0-9_.-]{1,253}$/
const originForm = /^([a-z][a-z0-9+.-]*):\/\/([^\s\p{Cc}/?#@\\*%]+)$/iu
/** Schemes without a usable origin: pages of `file` have the origin `null`, and the others serve no pages. */
const schemesWithoutPages = new Set(['file', 'ftp', 'ws', 'wss'])

interface HostAndPort { readonly name: string, readonly port: string }

/**
 * The origin as browsers send it (lower case, no default port, Punycode). `null` if the text is not an
 * origin: if it has a path, a query or credentials, is `*` or `null`, or has a scheme without origins. Apps
 * and extensions use their own schemes, such as `chrome-extension://…` and `tauri://localhost`.
 */
export function parseOrigin (text: string): string | null {
  const [, scheme = '', authority = ''] = originForm.exec(text.toLowerCase()) ?? []
  if (scheme === '' || schemesWithoutPages.has(scheme)) return null
  if (!/^https?$/.test(scheme)) {
    return appAuthority.test(authority) || parseHostHeader(authority) !== null ? `${scheme}://${authority}` : null
  }
  const url = parseUrl(text)
  return url === null || parseHostHeader(url.host) === null ? null : url.origin
}

/** `name` or `name:port` in lower case and Punycode. `null` if the text is not a host. */
export function parseHost (text: string): string | null {
  const [, name = '', port = ''] = /^(\[[^\]]*\]|[^:]*)((?::\d{1,5})?)$/.exec(text.trim()) ?? []
  const url = originForm.test(`http://${name}`) ? parseUrl(`http://${name}`) : null
  if (url === null || name === '') return null
  const host = url.hostname + port
  return parseHostHeader(host) === null ? null : host
}

/** Throws a `TypeError` for an invalid origin, host or URL, so that a typo stops the start. */
export function createEdge ({ origins = [], allowedHosts = [], publicUrl, loopback = true }: EdgeRules): Edge {
  const listed = new Set(origins.map(text => parseOrigin(text) ?? stop('origins', text, 'https://app.example.com')))
  const hosts = allowedHosts.map(
    text => parseHostHeader(parseHost(text) ?? '') ?? stop('allowedHosts', text, 'mcp.example.com')
  )
  const base = publicUrl === undefined ? null : parseBase(publicUrl)
  const ports = new Map<string, Set<string>>()
  const allow = (name: string, ...values: string[]): void => {
    const known = ports.get(name) ?? new Set()
    for (const value of values) known.add(value)
    ports.set(name, known)
  }
  for (const { name, port } of hosts) allow(name, port === '' ? '*' : port)
  if (loopback) for (const name of loopbackHosts) allow(name, '*')
  // A proxy may forward only the name, or add the default port.
  if (base !== null) allow(base.hostname, '', base.port === '' ? defaultPort(base.protocol) : base.port)
  const checksHost = ports.size > 0
  // Cached, because nearly all requests name the same host.
  let lastServed: string | undefined

  return {
    origins: [...listed],
    checksHost,
    servesHost: host => {
      if (!checksHost || (host !== undefined && host === lastServed)) return true
      const parsed = host === undefined ? null : parseHostHeader(host.toLowerCase())
      const known = parsed === null ? undefined : ports.get(parsed.name)
      const isServed = known !== undefined && parsed !== null && (known.has('*') || known.has(parsed.port))
      if (isServed) lastServed = host
      return isServed
    },
    judgeOrigin: (origin, host, scheme = 'http') => {
      if (origin === undefined) return 'absent'
      if (listed.has(origin)) return 'listed'
      if (origin === base?.origin) return 'own'
      return loopback && host !== undefined && origin === ownOrigin(host, scheme) ? 'own' : 'foreign'
    }
  }
}

/**
 * True for an absolute-form target (`GET http://other.example/mcp`) that names another host than `host` or
 * contains credentials. By RFC 9112 §3.2.2 such a target overrides the `Host` header. False for a path.
 */
export function namesAnotherHost (target: string, host: string | undefined): boolean {
  if (target.startsWith('/')) return false
  const [, scheme, authority = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(target) ?? []
  if (scheme === undefined) return false
  const named = scheme.toLowerCase() === 'https' ? 'https' : 'http'
  return host === undefined || withoutDefaultPort(authority, named) !== withoutDefaultPort(host, named)
}

/**
 * True if the browser reports that a page of another site, or of another host of this site, caused the
 * request (Fetch Metadata).
 */
export function isFromOtherSite (secFetchSite: string | undefined): boolean {
  return secFetchSite !== undefined && /\b(?:cross|same)-site\b/i.test(secFetchSite)
}

/** True for a field name of RFC 9110 §5.1, except `*`, which allows every header in some browsers. */
export function isHeaderName (text: string): boolean {
  return /^[!#$%&'+.^_`|~0-9a-z-]{1,128}$/i.test(text)
}

/** The origin of pages from this host. Browsers leave out the default port. */
function ownOrigin (host: string, scheme: Scheme): string {
  return `${scheme}://${withoutDefaultPort(host, scheme)}`
}

function withoutDefaultPort (host: string, scheme: Scheme): string {
  const suffix = `:${defaultPort(`${scheme}:`)}`
  const name = host.toLowerCase()
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
}

function parseHostHeader (text: string): HostAndPort | null {
  const [, name, port = ''] = hostForm.exec(text) ?? []
  return name === undefined || Number(port) > 65_535 ? null : { name, port }
}

function parseBase (text: string): URL {
  const url = parseUrl(text)
  return url !== null && /^https?:$/.test(url.protocol) ? url : stop('publicUrl', text, 'https://mcp.example.com')
}

function parseUrl (text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null
}

function defaultPort (protocol: string): string {
  return protocol === 'https:' ? '443' : '80'
}

function stop (option: string, text: string, example: string): never {
  throw new TypeError(`${option}: ${JSON.stringify(text)} is not valid; use a value such as ${example}`)
}
