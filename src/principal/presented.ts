/** Reads the credentials of a request from its headers, without verifying them. */
import type { Principal } from './principal.js'

/** What was sent. At least one of the two, or why what was sent is no credential; nothing at all is neither. */
export type Presented = Credentials | Malformed

interface Credentials {
  readonly key?: string
  readonly token?: string
  /** There is nothing but an Authorization of another scheme, for the log. */
  readonly otherScheme?: true
  readonly malformed?: never
}

/** The request is refused, and nothing else that it carries is looked at. */
interface Malformed {
  /** For the log. */
  readonly malformed: string
  readonly key?: never
  readonly token?: never
  readonly otherScheme?: never
}

/** A credential that proved good. */
export interface Verified {
  readonly principal: Principal
  /** Requests a window, where the credential has a limit of its own instead of its principal's. */
  readonly rateLimitMax?: number
  /** All that a token says, where somebody wants to know. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** A credential that did not, and why. For the log alone: nothing of it goes to the caller. */
export interface Rejected {
  /** A constant. */
  readonly reason: string
  /** Whose credential it is, where its key or its signature proved that. */
  readonly about?: Named | undefined
}

/** What names a credential, and is none. */
export interface Named {
  /** The id of the principal that it would prove. */
  readonly subject?: string
  readonly keyId?: string
  /** The `jti`. */
  readonly tokenId?: string
}

/** Makes a `Rejected`. */
export function rejected (reason: string, about?: Named): Rejected {
  return about === undefined ? { reason } : { reason, about }
}

/** The names of the credential that proved `principal`. */
export function namesOf ({ id, keyId, tokenId }: Principal): Named {
  return { subject: id, ...(keyId === undefined ? {} : { keyId }), ...(tokenId === undefined ? {} : { tokenId }) }
}

export type Verdict = Verified | Rejected

/** For the log: what was sent as a token has no dot, and no JWT is without (RFC 7515 §3.1). */
export const keyAsToken: Rejected = Object.freeze({
  reason: 'the token is not a JWT (perhaps an API key sent as Bearer)'
})

export function isVerified (verdict: Verdict): verdict is Verified {
  return 'principal' in verdict
}

/** Longer ones are refused unread: keys, and the tokens of this server. */
export const maxCredentialLength = 8192
/** Providers write every group of a person into a token. Node's own cap on all headers is 16 KiB. */
export const maxTokenLength = 15 * 1024

const nothing: Credentials = Object.freeze({})
const foreign: Credentials = Object.freeze({ otherScheme: true })

/**
 * Reads `x-api-key` and `authorization` from the raw header list: in `headers` Node drops a
 * second Authorization and joins two keys. A request that repeats one presents no credential.
 *
 * Another scheme than Bearer (a proxy's Basic) is no attempt at ours and is ignored
 * (RFC 6750 §3.1). Does not look at the query or the body.
 */
export function readCredentials (rawHeaders: readonly string[]): Presented {
  let key: string | undefined
  let authorization: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    // By length first: most headers are neither, and lower-casing them all is most of the time spent here.
    if (name.length === 9 && name.toLowerCase() === 'x-api-key') {
      if (key !== undefined) return { malformed: 'x-api-key is repeated' }
      key = value
    } else if (name.length === 13 && name.toLowerCase() === 'authorization') {
      if (authorization !== undefined) return { malformed: 'authorization is repeated' }
      authorization = value
    }
  }
  if (key === undefined && authorization === undefined) return nothing
  if (key !== undefined && (key === '' || key.length > maxCredentialLength)) {
    return { malformed: 'the API key is empty or too long' }
  }
  return authorization === undefined ? { key: key ?? '' } : withToken(key, authorization)
}

/** Adds the token of `Bearer <token>` (RFC 6750 §2.1; the scheme in any case, RFC 9110 §11.1). */
function withToken (key: string | undefined, authorization: string): Presented {
  const rest = key === undefined ? nothing : { key }
  if (!/^bearer(?![\w!#$%&'*+.^`|~-])/i.test(authorization)) return key === undefined ? foreign : rest
  const token = authorization[7] === ' ' ? authorization.slice(6).replace(/^ +/, '') : authorization.slice(7)
  if (token.length > maxTokenLength) return { malformed: 'the token is too long' }
  if (authorization[6] !== ' ' || !/^[\w.~+/-]+=*$/.test(token)) {
    return { malformed: 'the header does not have the form "Bearer <token>"' }
  }
  return { ...rest, token }
}

/** A key that is to be judged. */
export interface AskedKey {
  readonly key: string
  readonly digest: string
  readonly address: string
  readonly requestId: string
}
