/** The cookie that binds a sign-in to the browser that started it (RFC 6265bis). */
import { randomBytes } from 'node:crypto'

/** `__Host-`: other hosts and plain http cannot set it. On loopback, browsers accept it over http. */
const cookieName = '__Host-mcp-sign-in'
const valueForm = /^[\w-]{43}$/

/** Returns the value. `undefined` if the cookie is missing, occurs more than once or has another form. */
export function readCookie (header: string | undefined): string | undefined {
  const values = (header ?? '').split(';').map(pair => pair.trim().split('=')).filter(([name]) => name === cookieName)
  const [pair, ...others] = values
  const value = others.length === 0 ? pair?.[1] : undefined
  return value !== undefined && valueForm.test(value) ? value : undefined
}

export function newCookie (): string {
  return randomBytes(32).toString('base64url')
}

/** `Set-Cookie` for one hour. `Lax`, because the browser arrives by a link from the site of the client. */
export function cookieHeader (value: string): string {
  return `${cookieName}=${value}; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax`
}
