/** What does not leave this machine. */
import { isIPv4 } from 'node:net'

/**
 * True for what only this machine can reach, with or without brackets. Any other name may resolve to
 * anything: false.
 */
export function isLoopback (host: string): boolean {
  const bare = withoutBrackets(host.toLowerCase())
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'))
}

/**
 * True for https, and for http that does not leave this machine; false where the URL holds a user name or a
 * password.
 */
export function isSafeUrl (url: URL): boolean {
  if (url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}

export function withoutBrackets (host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}
