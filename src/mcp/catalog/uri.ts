/** Normalizes URIs, so that another spelling cannot bypass access rules. */
import { maxUriLength } from '../wire/messages.js'

/**
 * Schemes whose URIs clients rewrite before they send them (WHATWG URL, special schemes), with their
 * default ports.
 */
const specialSchemes: ReadonlyMap<string, string> = new Map([
  ['http', ':80'], ['https', ':443'], ['ws', ':80'], ['wss', ':443'], ['ftp', ':21'], ['file', '']
])

export interface NormalUri {
  /** Percent-encoding normalized as in RFC 3986 §6.2.2; the host keeps its case. */
  readonly text: string
  /** For comparisons: the same length as `text`, with the host in lower case. */
  readonly key: string
}

/**
 * A URI in normal form (RFC 3986 §6.2.2 and §6.2.3). `undefined` if it cannot name a resource: it has
 * no scheme, a control character or a backslash in any spelling, a `.` or `..` segment,
 * an invalid percent-encoding, or more than 2,048 characters. `{name}` of a template is kept.
 */
export function normalUri (uri: string): NormalUri | undefined {
  if (uri.length > maxUriLength) return undefined
  const encoded = encodedOf(uri)
  if (encoded === undefined) return undefined
  const [, scheme, rest = ''] = /^([a-z][a-z\d+.-]*):(.*)$/is.exec(encoded) ?? []
  if (scheme === undefined) return undefined
  const name = scheme.toLowerCase()
  if (!rest.startsWith('//')) return withoutDots(rest) ? { text: `${name}:${rest}`, key: `${name}:${rest}` } : undefined
  const end = rest.slice(2).search(/[/?#]/)
  let authority = end === -1 ? rest.slice(2) : rest.slice(2, 2 + end)
  let path = end === -1 ? '' : rest.slice(2 + end)
  if (!withoutDots(path)) return undefined
  const port = specialSchemes.get(name)
  if (port !== undefined) {
    const host = /[{}]/.test(authority) ? withoutPort(authority, port) : hostAsClients(name, authority)
    if (host === undefined) return undefined
    authority = host
    if (!path.startsWith('/')) path = `/${path}`
  }
  const before = `${name}://`
  return { text: before + authority + path, key: before + lowerCase(authority) + path }
}

function withoutPort (authority: string, port: string): string {
  return port !== '' && authority.endsWith(port) ? authority.slice(0, -port.length) : authority
}

/**
 * The authority as a client's URL parser reads it: numeric addresses, full-width letters and soft hyphens are other
 * spellings of a plain host (WHATWG URL, host parsing). `undefined` if it is invalid.
 */
function hostAsClients (scheme: string, authority: string): string | undefined {
  const base = `${scheme}://${authority}/`
  if (!URL.canParse(base)) return undefined
  const { host, username, password } = new URL(base)
  const user = username === '' && password === '' ? '' : authority.slice(0, authority.lastIndexOf('@') + 1)
  return user + host
}

/** The key that identifies a resource: its normal form, or the text itself if it has none. */
export function uriKey (uri: string): string {
  return normalUri(uri)?.key ?? uri
}

/**
 * Throws a `TypeError` if clients would request another URI than the one in the list: many parse a URI
 * and send it as their parser serializes it. `sample`: a URI, or one that matches a template.
 */
export function requireStable (owner: string, sample: string): NormalUri {
  const normal = normalUri(sample)
  if (normal === undefined || !URL.canParse(sample)) {
    throw new TypeError(
      `${owner} must be an absolute URI without control characters, backslashes and the segments "." and ".."`
    )
  }
  const { href } = new URL(sample)
  if (uriKey(href) !== normal.key) {
    throw new TypeError(`${owner}: clients send it as ${JSON.stringify(href)}; write it like that`)
  }
  return normal
}

/** Variable names are not part of a host. */
function lowerCase (authority: string): string {
  return authority.split(/(\{\w*\})/).map((part, index) => index % 2 === 1 ? part : part.toLowerCase()).join('')
}

const kept = /^[\w\-.~:/?#[\]@!$&'()*+,;={}]$/
const unreserved = /^[\w\-.~]$/

const plain = /^[\w\-.~:/?#[\]@!$&'()*+,;=]*$/

/** Decodes unreserved characters and encodes invalid ones. `undefined` if the text cannot be part of a URI. */
function encodedOf (uri: string): string | undefined {
  if (plain.test(uri)) return uri
  let text = ''
  for (let at = 0; at < uri.length;) {
    const character = String.fromCodePoint(uri.codePointAt(at) ?? 0)
    at += character.length
    if (character === '%') {
      const digits = uri.slice(at, at + 2)
      if (!/^[\da-f]{2}$/i.test(digits)) return undefined
      const decoded = String.fromCharCode(parseInt(digits, 16))
      text += unreserved.test(decoded) ? decoded : `%${digits.toUpperCase()}`
      at += 2
    } else if (kept.test(character)) text += character
    else if (character === '\\' || /\p{Surrogate}/u.test(character)) return undefined
    else text += encodeURIComponent(character)
  }
  return holdsHarm(text) ? undefined : text
}

/** Encoded control characters and backslashes, and bytes that are not UTF-8. */
function holdsHarm (encoded: string): boolean {
  if (!encoded.includes('%')) return false
  if (/%(?:[01][\dA-F]|7F|5C)/.test(encoded)) return true
  try {
    return /[\p{Cc}\p{Zl}\p{Zp}]/u.test(decodeURIComponent(encoded))
  } catch {
    return true
  }
}

/**
 * False if a path segment is `.` or `..`, which may lead to another resource. Dots are already decoded,
 * slashes may not be.
 */
function withoutDots (path: string): boolean {
  return !/(?:^|\/|%2F)\.{1,2}(?=$|[/?#]|%2F)/.test(path)
}
