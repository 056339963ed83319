/** Setting types for an identity provider: its URLs and claim names. */
import { isSafeUrl } from '../../net/loopback.js'
import { text, type SettingType } from './basic.js'
import { scopeForm } from '../../principal/scope.js'

/** An issuer exactly as in its tokens. A trailing slash is significant (RFC 8414 §2). */
export function issuerUrl (): SettingType<string> {
  return providerUrl(
    'use the issuer exactly as in the `iss` of its tokens, such as https://id.example.com/realms/team',
    /[?#]/,
    'has a query or a fragment'
  )
}

/** The URL of a key set. It may have a query. */
export function jwksUrl (): SettingType<string> {
  return providerUrl('use the URL of the key set, such as https://id.example.com/jwks', /#/, 'has a fragment')
}

function providerUrl (right: string, excess: RegExp, wrong: string): SettingType<string> {
  return text((given, report) => {
    const url = /^https?:\/\/[^\s"\\]+$/i.test(given) && URL.canParse(given) ? new URL(given) : undefined
    if (url === undefined) report('is not a URL', right)
    else if (url.username !== '' || url.password !== '') report('contains a user name or password', right)
    else if (excess.test(given)) report(wrong, right)
    else if (!isSafeUrl(url)) report('is http', 'use https; http is for loopback only')
    return given
  })
}

/** The name of a claim, or the path to one: `roles`, `realm_access.roles`, `https://example.com/roles`. */
export function claimPath (): SettingType<string> {
  return text((given, report) => {
    if (/^\.|\.$|\.\.|\s/.test(given)) {
      report(
        'is not a claim name',
        'use a name or a path with dots, such as roles or realm_access.roles'
      )
    }
    return given
  })
}

/** A text without white space: the name of an audience or a role. */
export function word (): SettingType<string> {
  return text((given, report) => {
    if (/[\s\p{Cc}]/u.test(given)) report('contains white space', 'use a name without spaces')
    return given
  })
}

/** A scope that clients request (RFC 6749 §3.3). */
export function scope (): SettingType<string> {
  return text((given, report) => {
    if (given === 'offline_access') {
      report(
        'requests refresh tokens',
        'remove offline_access: the client decides whether to request it'
      )
    } else if (!scopeForm.test(given)) {
      report(
        'is not a scope',
        'use printable ASCII without spaces, quotes and backslashes, such as mcp:tools'
      )
    }
    return given
  })
}
