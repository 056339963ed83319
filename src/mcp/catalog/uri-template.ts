/**
 * URI templates (RFC 6570, level 1): which URIs match, the values of their variables, and which of two templates is
 * more specific.
 */
import { normalUri, requireStable } from './uri.js'

export interface UriTemplate {
  /** Equal for two templates that match the same URIs. */
  readonly shape: string
  /** The decoded variables of a URI in normal form, if it matches. */
  readonly match: (text: string, key: string) => Record<string, string> | undefined
  readonly names: readonly string[]
  /** The literal parts around the variables, in comparable form. */
  readonly literals: readonly string[]
}

/**
 * Parses a template. A variable matches one path segment, or a part of one, of at least one character. Throws a
 * `TypeError` if the template has operators or no variables, or if no URI could match it.
 */
export function parseUriTemplate (template: string): UriTemplate {
  const names = template.split(/\{([^{}]*)\}/).filter((_, index) => index % 2 === 1)
  if (names.length === 0 || !names.every(name => /^\w+$/.test(name))) {
    throw new TypeError(`Template ${template}: write at least one variable as {name}, without operators`)
  }
  if (new Set(names).size < names.length) {
    throw new TypeError(`Template ${template}: each variable must have a different name`)
  }
  // A port is a number, and a host that is a number is an IP address.
  const sample = (value: string): string => template.replaceAll(/\{\w+\}/g, value)
  requireStable(`Template ${template} (with its variables filled in)`, sample(URL.canParse(sample('x')) ? 'x' : '1'))
  const normal = normalUri(template)
  if (normal === undefined) {
    throw new TypeError(`Template ${template} must begin with a scheme, and have at most 2,048 characters`)
  }
  const literals = normal.key.split(/\{\w+\}/)
  if (literals.slice(1, -1).includes('')) {
    throw new TypeError(`Template ${template}: two variables need literal text between them`)
  }
  if (/[{}]/.test(literals.join(''))) throw new TypeError(`Template ${template}: a brace is not part of a variable`)
  return {
    shape: literals.join('{}'),
    names,
    literals,
    match (text, key) {
      const spans = between(key, literals)
      if (spans === undefined) return undefined
      const path = pathStart(text)
      const values = spans.map(([from, to]) => decoded(text.slice(from, to), from < path))
      if (values.includes(undefined)) return undefined
      return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
    }
  }
}

/**
 * Whether `a` is more specific than `b`, for two templates that match a URI: a longer prefix before the first variable,
 * then fewer variables, then more literal text.
 */
export function isNarrower (a: UriTemplate, b: UriTemplate): boolean {
  const [first, second] = [a, b].map(({ literals }) => [
    literals[0]?.length ?? 0,
    -literals.length,
    literals.join('').length
  ])
  for (const [index, measure] of (first ?? []).entries()) {
    const other = second?.[index] ?? 0
    if (measure !== other) return measure > other
  }
  return a.shape < b.shape
}

/** The start of the path, after the authority if there is one (RFC 3986 §3). */
function pathStart (uri: string): number {
  return /^[^:/?#]*:\/\/[^/?#]*/.exec(uri)?.[0].length ?? 0
}

/**
 * One path segment, decoded once. `undefined` if it is empty, a dot segment, or more than one segment (RFC
 * 3986 §3.3) or more than a host: `x@admin` and `admin:80` name the host `admin` (RFC 3986 §3.2).
 */
function decoded (value: string, isInAuthority: boolean): string | undefined {
  if (value === '' || /[/?#[\]{}]/.test(value) || (isInAuthority && /[@:]/.test(value))) return undefined
  const text = decodeURIComponent(value)
  return text === '.' || text === '..' || /[/\\]/.test(text) ? undefined : text
}

/**
 * The text between the literals, the first and last of which are anchored. Not a regular
 * expression: it would backtrack over runs of separators, for minutes with four variables (compare
 * CVE-2026-0621). One search per literal from the right finds the same match as a greedy
 * expression.
 */
function between (text: string, literals: readonly string[]): Array<[from: number, to: number]> | undefined {
  const [first = ''] = literals
  const last = literals.at(-1) ?? ''
  if (!text.startsWith(first) || !text.endsWith(last)) return undefined
  const spans: Array<[number, number]> = []
  let end = text.length - last.length
  for (let index = literals.length - 2; index > 0; index--) {
    const literal = literals[index] ?? ''
    const at = text.lastIndexOf(literal, end - 1 - literal.length)
    if (at < first.length || end - 1 < literal.length) return undefined
    spans.unshift([at + literal.length, end])
    end = at
  }
  return end < first.length ? undefined : [[first.length, end], ...spans]
}
