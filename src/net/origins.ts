/** Parses the allowlists of origins and hosts, and judges the `Origin` and `Host` of a request by them. */

/** `own`: the server's own pages. `absent`: no browser context, or a same-origin GET. */
export type OriginVerdict = 'absent' | 'listed' | 'own' | 'foreign'

export type Scheme = 'http' | 'https'

export interface EdgeRules {
  /** Exact origins, `https://app.example.com` or `tauri://localhost`. Default none: CORS is off. */
  readonly origins?: readonly string[]
  /** `name` (any port) or `name:port`. Default none. */
  readonly allowedHosts?: readonly string[]
  /** The base URL that callers use. Its host and origin are ours. */
  readonly publicUrl?: string
  /**
   * Bound to loopback: `localhost`, `127.0.0.1` and `[::1]` at any port are ours. Default true.
   * False without `allowedHosts` and `publicUrl`: the Host is not checked.
   */
  readonly loopback?: boolean
}

export interface Edge {
  /** The parsed allowlist, without repetitions. Empty: CORS is off. */
  readonly origins: readonly string[]
  /** False: every Host is accepted, because nothing says which one is ours. */
  readonly checksHost: boolean
  /** Whether a `Host` header names this server. A missing one does not, where hosts are checked. */
  readonly servesHost: (host: string | undefined) => boolean
  /**
   * `host` must have been accepted before: our own origin is built from it (DNS rebinding).
   * `scheme` is that of the request. Default `http`.
   */
  readonly judgeOrigin: (origin: string | undefined, host: string | undefined, scheme?: Scheme) => OriginVerdict
}

const loopbackHosts = ['localhost', '127.0.0.1', '[::1]'] as const
/** `uri-host [":" port]` of RFC 9110 §7.2, without the forms that only a URL parser would see through. */
const hostForm = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?)(?::(\d{1,5}))?$/
/** Of an app or an extension: no host of the network, and not always the name of one, such as `-`. */
const appAuthority = /^[a-z0-9_.-]{1,253}$/
const originForm = /^([a-z][a-z0-9+.-]*):\/\/([^\s\p{Cc}/?#@\\*%]+)$/iu
/** Pages of `file` have the origin `null`, and nobody loads a page from the others. */
const schemesWithoutPages = new Set(['file', 'ftp', 'ws', 'wss'])

interface HostName { readonly name: string, readonly port: string }

/**
 * The origin as browsers write it (lower case, no default port, Punycode), or `null` where it is
 * none: a path, a query, credentials, `*`, `null`, and schemes whose pages have no origin of their own.
 * Apps and extensions have schemes of their own: `chrome-extension://…`, `tauri://localhost`.
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

/** `name` or `name:port` in lower case and Punycode, or `null` where it is no host. */
export function parseHost (text: string): string | null {
  const [, name = '', port = ''] = /^(\[[^\]]*\]|[^:]*)((?::\d{1,5})?)$/.exec(text.trim()) ?? []
  const url = originForm.test(`http://${name}`) ? parseUrl(`http://${name}`) : null
  if (url === null || name === '') return null
  const host = url.hostname + port
  return parseHostHeader(host) === null ? null : host
}

/** Throws a `TypeError` for an entry that is no origin, host or URL: a typo must stop the boot. */
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
  // A proxy may pass the name alone on, or spell the scheme's own port out.
  if (base !== null) allow(base.hostname, '', base.port === '' ? defaultPort(base.protocol) : base.port)
  const checksHost = ports.size > 0
  // Nearly all requests name the same host.
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
 * True for an absolute-form target (`GET http://other.example/mcp`) that does not name `host`, which
 * RFC 9112 §3.2.2 puts in the place of the Host header, and for one with credentials. A path is not one.
 */
export function namesAnotherHost (target: string, host: string | undefined): boolean {
  if (target.startsWith('/')) return false
  const [, scheme, authority = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(target) ?? []
  if (scheme === undefined) return false
  const named = scheme.toLowerCase() === 'https' ? 'https' : 'http'
  return host === undefined || withoutDefaultPort(authority, named) !== withoutDefaultPort(host, named)
}

/**
 * True where a browser says that a page of another site, or of another host of this site, caused the
 * request (Fetch Metadata).
 */
export function isFromOtherSite (secFetchSite: string | undefined): boolean {
  return secFetchSite !== undefined && /\b(?:cross|same)-site\b/i.test(secFetchSite)
}

/** A field name of RFC 9110 §5.1, but not `*`, which allows every header in some browsers. */
export function isHeaderName (text: string): boolean {
  return /^[!#$%&'+.^_`|~0-9a-z-]{1,128}$/i.test(text)
}

/** What a page served by this Host would send. Browsers leave the default port out. */
function ownOrigin (host: string, scheme: Scheme): string {
  return `${scheme}://${withoutDefaultPort(host, scheme)}`
}

function withoutDefaultPort (host: string, scheme: Scheme): string {
  const suffix = `:${defaultPort(`${scheme}:`)}`
  const name = host.toLowerCase()
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
}

function parseHostHeader (text: string): HostName | null {
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
  throw new TypeError(`${option}: ${JSON.stringify(text)} cannot be used; it reads like ${example}`)
}
