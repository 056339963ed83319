/** The path of a request as it is logged. */

/** Without the query, where people put keys; bounded, because a stranger chooses it. `isUnknown`: no route has it. */
export function pathOf (url: string | undefined, isUnknown: boolean): string | undefined {
  if (isUnknown && url !== undefined) return beginningOf(tidy(url))
  return url === undefined || (url.length <= 256 && !/[?#;%]/.test(url)) ? url : tidy(url)
}

function tidy (url: string): string {
  return url.slice(0, 256).replace(/[?#;].*$/s, '').replace(needlessEscapes, escape => decodeURIComponent(escape))
}

/**
 * Of a path that no route has: a key of no known form may stand in it, as of 16 characters and with
 * slashes inside. What real clients look for is told in full.
 */
function beginningOf (path: string): string {
  const [beginning = ''] =
    /^(?:\/(?!\.well-known\/)[^/]{0,15}(?![^/]))?(?:\/\.well-known\/(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)(?![^/]))?/.exec(
      path
    ) ?? []
  return beginning.length === path.length ? path : `${beginning}/…`
}

/**
 * Letters, digits and `-._~`: escaped they mean the same (RFC 3986 §6.2.2.2), and a secret in a path would
 * look like none.
 */
const needlessEscapes = /%(?:2[de]|3\d|[46][1-9a-f]|[57][0-9a]|5f|7e)/gi
