/** Prepares the path of a request for the log. */

/** The path without the query, which may contain keys, and truncated. `isUnknown`: no route matches it. */
export function pathOf (url: string | undefined, isUnknown: boolean): string | undefined {
  if (isUnknown && url !== undefined) return beginningOf(tidy(url))
  return url === undefined || (url.length <= 256 && !/[?#;%]/.test(url)) ? url : tidy(url)
}

function tidy (url: string): string {
  return url.slice(0, 256).replace(/[?#;].*$/s, '').replace(needlessEscapes, escape => decodeURIComponent(escape))
}

/** A short first segment, and the path of a metadata document. */
const loggedBeginning = new RegExp(
  '^(?:/(?!\\.well-known/)[^/]{0,15}(?![^/]))?' +
    '(?:/\\.well-known/(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)(?![^/]))?'
)

/**
 * Shortens a path without a route, because it may contain a key of unknown form, from 16 characters and even
 * with slashes. Paths that real clients request are logged in full.
 */
function beginningOf (path: string): string {
  const [beginning = ''] = loggedBeginning.exec(path) ?? []
  return beginning.length === path.length ? path : `${beginning}/…`
}

/**
 * Unescapes letters, digits and `-._~`, whose escapes are equivalent (RFC 3986 §6.2.2.2). Otherwise the
 * redactor would not recognize an escaped secret in a path.
 */
const needlessEscapes = /%(?:2[de]|3\d|[46][1-9a-f]|[57][0-9a]|5f|7e)/gi
