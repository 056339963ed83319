/** Setting types for addresses: hosts, origins, proxies, the public URL. */
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { isLoopback, withoutBrackets } from '../../net/loopback.js'
import { isHeaderName, parseHost, parseOrigin } from '../../net/origins.js'
import { text, type SettingType } from './basic.js'

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/

/** The address or name to bind to, in lower case and without brackets. */
export function bindHost (): SettingType<string> {
  return text((given, report) => {
    const host = withoutBrackets(given.toLowerCase())
    if (!isHostName(host) && !isIP(host)) {
      report(
        'is not a host',
        'use only a name or an address, such as localhost, 127.0.0.1, 0.0.0.0 or ::1; set the port in PORT'
      )
    }
    return host
  })
}

/** A host as in a `Host` header: `name`, `name:port`, `[::1]` or `[::1]:port`, in lower case. */
export function servedHost (): SettingType<string> {
  const right = 'use host or host:port, such as mcp.example.com, 10.0.0.5:3000 or [::1]:3000'
  return text((given, report) => {
    const host = parseHost(given)
    const [name = '', port] = host?.startsWith('[') === true ? [host] : host?.split(':') ?? []
    if (given.includes('*')) report('is a wildcard', `name every host; ${right}`)
    else if (given.includes('/')) report('is a URL or a path', right)
    // A URL parser accepts 1.2.3 and 0x7f.1 as addresses, but a `Host` header never contains those forms.
    else if (host === null || (isIPv4(name) && !given.startsWith(name))) report('is not a host', right)
    else if (port !== undefined && Number(port) === 0) report('has an invalid port', right)
    return host ?? given
  })
}

/** An origin exactly as a browser sends it (RFC 6454 §6.2). */
export function origin (): SettingType<string> {
  return text((given, report) => {
    const right = 'use scheme, host and port as a browser sends them'
    const found = originIn(given)
    if (given === '*') report('is a wildcard', 'list each origin, such as https://app.example.com')
    else if (given === 'null') {
      report(
        'is null, which every sandboxed page sends',
        'list the origins of real pages, such as https://app.example.com'
      )
    } else if (/^file:/i.test(given)) {
      report(
        'has the origin null in every browser',
        'list the origins of real pages, such as https://app.example.com'
      )
    } else if (found === null) {
      report(
        'is not an origin',
        `${right}, such as https://app.example.com, http://localhost:6274 or tauri://localhost`
      )
    } else if (found !== given) {
      report('is not an exact origin', `${right}: ${found}, without a slash, path or default port`)
    }
    return given
  })
}

/**
 * The origin inside a text that contains more than an origin, without credentials. `null` if there is none.
 */
function originIn (given: string): string | null {
  if (/^https?:\/\//i.test(given)) return URL.canParse(given) ? parseOrigin(new URL(given).origin) : null
  const [start] = /^[^/?#]+:\/\/[^/?#]+/.exec(given) ?? []
  return start === undefined ? null : parseOrigin(start)
}

/** The name of a request header. */
export function headerName (): SettingType<string> {
  return text((given, report) => {
    if (!isHeaderName(given)) report('is not a header name', 'use names such as Sentry-Trace; a star is not supported')
    return given
  })
}

/** A proxy whose `X-Forwarded-For` is trusted: an address, a CIDR, `loopback` or `uniquelocal`. */
export function trustedProxy (): SettingType<string> {
  const right = 'use the addresses or CIDRs of your proxies, such as 10.0.0.5, 10.0.0.0/8, loopback or uniquelocal'
  return text((given, report) => {
    const proxy = given.toLowerCase()
    if (proxy === 'loopback' || proxy === 'uniquelocal') return proxy
    const [address = '', bits, ...rest] = proxy.split('/')
    if (proxy === 'true' || proxy === '*') report('would let every caller choose its address', right)
    else if (/^\d+$/.test(proxy) || proxy === 'false') {
      report('would trust nobody (a number of hops can be forged)', `${right}; leave it empty to trust none`)
    } else if (!isIP(address) || address.includes('%') || rest.length > 0) report('is not an address', right)
    else if (isMappedIPv4(address)) report('is IPv4 written as IPv6', 'write it as IPv4, such as 10.0.0.5')
    else if (bits !== undefined && !isPrefix(bits, isIPv4(address) ? 32 : 128)) {
      report('has an invalid prefix length', right)
    } else if (bits !== undefined && Number(bits) === 0) report('covers every address', right)
    return proxy
  })
}

/** The base URL that callers use, without a trailing slash. */
export function publicUrl (): SettingType<string> {
  const right = 'use the base of the URL that callers use, such as https://mcp.example.com'
  return text((given, report) => {
    const url = /^https?:\/\/[^\s\\]+$/i.test(given) && URL.canParse(given) ? new URL(given) : undefined
    if (url === undefined) report('is not a URL', right)
    else if (url.username !== '' || url.password !== '') report('contains a user name or password', right)
    else if (/[?#]/.test(given)) report('has a query or a fragment', right)
    else if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
      report('is http', 'use https; http is for loopback only')
    }
    return url === undefined ? '' : url.origin + url.pathname.replace(/\/+$/, '')
  })
}

/** A DNS name or an IPv4 address, in lower case. `1.2.3` and `999.1.1.1` are neither. */
function isHostName (host: string): boolean {
  if (isIPv4(host)) return true
  const labels = host.split('.')
  return host.length <= 253 && labels.every(label => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '')
}

/** IPv4-mapped IPv6, in any spelling. `::ffff:0:0/96` would mean every IPv4 address. */
function isMappedIPv4 (address: string): boolean {
  return isIPv6(address) && new URL(`http://[${address}]`).hostname.startsWith('[::ffff:')
}

function isPrefix (bits: string, max: number): boolean {
  return /^\d{1,3}$/.test(bits) && Number(bits) <= max
}
