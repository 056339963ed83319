/** URIs in one form for all that mean the same, so that rights cannot be passed by writing one in another way. */
import { maxUriLength } from '../wire/messages.js'

/**
 * Schemes whose URIs clients write anew before they send them (WHATWG URL, special schemes), with their
 * default ports.
 */
const specialSchemes: ReadonlyMap<string, string> = new Map([
  ['http', ':80'], ['https', ':443'], ['ws', ':80'], ['wss', ':443'], ['ftp', ':21'], ['file', '']
])

export interface NormalUri {
  /** Percent-encodings as RFC 3986 §6.2.2 wants them; the case of the host as it was given. */
  readonly text: string
  /** For comparisons: as long as `text`, with the host in lower case. */
  readonly key: string
}

/**
 * A URI in normal form (RFC 3986 §6.2.2 and §6.2.3), or `undefined` where it is none that may name a resource:
 * without a scheme, with control characters or a backslash in whatever spelling, with `.` or `..` as a segment,
 * with broken percent-encodings, or longer than 2,048 characters. `{name}` of a template stays as it is.
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
 * The authority as the parser of clients reads it: an address of numbers, a full-width letter or a soft hyphen in a
 * host is another spelling of a plain one (WHATWG URL, host parsing). `undefined` where it reads none.
 */
function hostAsClients (scheme: string, authority: string): string | undefined {
  const base = `${scheme}://${authority}/`
  if (!URL.canParse(base)) return undefined
  const { host, username, password } = new URL(base)
  const user = username === '' && password === '' ? '' : authority.slice(0, authority.lastIndexOf('@') + 1)
  return user + host
}

/** What tells resources apart: the key of the normal form, or the text itself where there is none. */
export function uriKey (uri: string): string {
  return normalUri(uri)?.key ?? uri
}

/**
 * Throws a `TypeError` where clients would ask for something else than what a list shows them: many parse a URI,
 * and send it as their parser writes it. `sample`: a URI, or one that fits a template.
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
    throw new TypeError(`${owner} is ${JSON.stringify(href)} to clients: write it like that`)
  }
  return normal
}

/** The names of variables are no part of a host. */
function lowerCase (authority: string): string {
  return authority.split(/(\{\w*\})/).map((part, index) => index % 2 === 1 ? part : part.toLowerCase()).join('')
}

const kept = /^[\w\-.~:/?#[\]@!$&'()*+,;={}]$/
const unreserved = /^[\w\-.~]$/

const plain = /^[\w\-.~:/?#[\]@!$&'()*+,;=]*$/

/** Decodes what need not be encoded, and encodes what has to be. `undefined` where there is what no URI may hold. */
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

/** Control characters and backslashes, encoded, and bytes that are no UTF-8. */
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
 * False where a segment of the path is `.` or `..`, which may lead elsewhere. Its dots are decoded already,
 * its slashes may not be.
 */
function withoutDots (path: string): boolean {
  return !/(?:^|\/|%2F)\.{1,2}(?=$|[/?#]|%2F)/.test(path)
}
