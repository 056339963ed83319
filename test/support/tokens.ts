/** Makes JWTs that a signer would refuse to make: any header, any payload, any signature. */
import { createHmac } from 'node:crypto'
import { credentialOfTests, secretOfTests } from './witness.js'

export const secret = secretOfTests('a-secret-of-the-tests-with-more-than-32-bytes')

/** Seconds since the epoch, some seconds from now. */
export function inSeconds (offset: number): number {
  return Math.floor(Date.now() / 1000) + offset
}

export interface Forgery {
  readonly header?: unknown
  /** Text goes in as it is, everything else as JSON. */
  readonly payload?: unknown
  readonly key?: string
  readonly hash?: 'sha256' | 'sha384' | 'sha512'
}

/** A token whose HMAC is right for the key, whatever it says. */
export function forge ({
  header = { alg: 'HS256', typ: 'JWT' },
  payload = goodClaims(),
  key = secret,
  hash = 'sha256'
}: Forgery = {}): string {
  const input = `${encode(header)}.${encode(payload)}`
  return credentialOfTests(`${input}.${createHmac(hash, key).update(input).digest('base64url')}`)
}

/** A good token with some claims replaced, or left out where they are `undefined`. */
export function forgeClaims (claims: Record<string, unknown>): string {
  return forge({ payload: { ...goodClaims(), ...claims } })
}

export function goodClaims (): Record<string, unknown> {
  return { sub: 'ada', exp: inSeconds(600) }
}

export function encode (part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}

/** The other three spellings of the last character that decode to the same bytes. */
export function otherTails (token: string): string[] {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.slice(-1))
  return [1, 2, 3].map((bits) => token.slice(0, -1) + alphabet.charAt(last + bits))
}
