/** Detects hosts and URLs that do not leave this machine. */
import { isIPv4 } from 'node:net'

/**
 * True for a host that only this machine can reach, with or without brackets. False for other names, because
 * they may resolve to any address.
 */
export function isLoopback (host: string): boolean {
  const bare = withoutBrackets(host.toLowerCase())
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'))
}

/** True for https, and for http on loopback. False if the URL contains a user name or a password. */
export function isSafeUrl (url: URL): boolean {
  if (url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}

export function withoutBrackets (host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}
