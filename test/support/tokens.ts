/** Creates JWTs with any header, payload and signature, which a library would refuse. */
import { createHmac } from 'node:crypto'
import { credentialOfTests, secretOfTests } from './witness.js'

export const secret = secretOfTests('a-secret-of-the-tests-with-more-than-32-bytes')

/** Returns the time in `offset` seconds, in seconds since the epoch. */
export function inSeconds (offset: number): number {
  return Math.floor(Date.now() / 1000) + offset
}

export interface Forgery {
  readonly header?: unknown
  /** A string is used unchanged. Any other value is serialized as JSON. */
  readonly payload?: unknown
  readonly key?: string
  readonly hash?: 'sha256' | 'sha384' | 'sha512'
}

/** Returns a token with a valid HMAC and any content. */
export function forge ({
  header = { alg: 'HS256', typ: 'JWT' },
  payload = goodClaims(),
  key = secret,
  hash = 'sha256'
}: Forgery = {}): string {
  const input = `${encode(header)}.${encode(payload)}`
  return credentialOfTests(`${input}.${createHmac(hash, key).update(input).digest('base64url')}`)
}

/** Returns a valid token with some claims replaced. `undefined` omits a claim. */
export function forgeClaims (claims: Record<string, unknown>): string {
  return forge({ payload: { ...goodClaims(), ...claims } })
}

export function goodClaims (): Record<string, unknown> {
  return { sub: 'ada', exp: inSeconds(600) }
}

export function encode (part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}

/** Returns the three other tokens that decode to the same bytes. Only the last character differs. */
export function otherTails (token: string): string[] {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.slice(-1))
  return [1, 2, 3].map((bits) => token.slice(0, -1) + alphabet.charAt(last + bits))
}
