/** The cookie that binds an open sign-in to the browser that began it (RFC 6265bis). */
import { randomBytes } from 'node:crypto'

/** `__Host-`: no other host and no plain connection can set it. Browsers take it on loopback over http, too. */
export const cookieName = '__Host-mcp-sign-in'
const valueForm = /^[\w-]{43}$/

/** The value; `undefined` where there is none, more than one, or one of another form. */
export function readCookie (header: string | undefined): string | undefined {
  const values = (header ?? '').split(';').map(pair => pair.trim().split('=')).filter(([name]) => name === cookieName)
  const [pair, ...others] = values
  const value = others.length === 0 ? pair?.[1] : undefined
  return value !== undefined && valueForm.test(value) ? value : undefined
}

export function newCookie (): string {
  return randomBytes(32).toString('base64url')
}

/** `Set-Cookie` for an hour. Lax: the browser comes from the client's site, by a link. */
export function cookieHeader (value: string): string {
  return `${cookieName}=${value}; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax`
}
