/** Reads the credentials of a request from its headers, without verifying them. */
import type { Principal } from './principal.js'

/** The credentials of a request (none, one or both), or why its headers are malformed. */
export type Presented = Credentials | MalformedHeaders

interface Credentials {
  readonly key?: string
  readonly token?: string
  /** True if the only credential is an Authorization header with another scheme. For the log. */
  readonly otherScheme?: true
  readonly malformed?: never
}

/** Malformed headers. The request is refused, and nothing else in it is read. */
interface MalformedHeaders {
  /** For the log. */
  readonly malformed: string
  readonly key?: never
  readonly token?: never
  readonly otherScheme?: never
}

/** The verdict on a valid credential. */
export interface Verified {
  readonly principal: Principal
  /** Requests per window, if the credential has its own limit instead of its principal's. */
  readonly rateLimitMax?: number
  /** All claims of the token, if they were asked for. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** The verdict on an invalid credential, with the reason. Only for the log: the caller never sees it. */
export interface Rejected {
  /** A constant text. */
  readonly reason: string
  /** Identifies the credential, if its key or signature was valid. */
  readonly about?: Named | undefined
}

/** Identifiers of a credential. None of them is secret. */
export interface Named {
  /** The id of the credential's principal. */
  readonly subject?: string
  readonly keyId?: string
  /** The token's `jti`. */
  readonly tokenId?: string
}

/** Creates a `Rejected`. */
export function rejected (reason: string, about?: Named): Rejected {
  return about === undefined ? { reason } : { reason, about }
}

/** The identifiers of the credential behind `principal`. */
export function namesOf ({ id, keyId, tokenId }: Principal): Named {
  return { subject: id, ...(keyId === undefined ? {} : { keyId }), ...(tokenId === undefined ? {} : { tokenId }) }
}

export type Verdict = Verified | Rejected

/** For a token without a dot: every JWT contains dots (RFC 7515 §3.1). */
export const keyAsToken: Rejected = Object.freeze({
  reason: 'the token is not a JWT (perhaps an API key sent as Bearer)'
})

export function isVerified (verdict: Verdict): verdict is Verified {
  return 'principal' in verdict
}

/** Longer keys, and longer tokens of this server, are refused unread. */
export const maxCredentialLength = 8192
/**
 * Identity providers may list every group of a user in a token. Node limits all headers together to 16 KiB.
 */
export const maxTokenLength = 15 * 1024

const nothing: Credentials = Object.freeze({})
const foreign: Credentials = Object.freeze({ otherScheme: true })

/**
 * Reads `x-api-key` and `authorization` from the raw header list, because in `headers` Node drops a second
 * Authorization and joins repeated keys. A request that repeats one of them is malformed.
 *
 * An Authorization header with another scheme than Bearer (a proxy's Basic, for example) is ignored
 * (RFC 6750 §3.1). The query and the body are not read.
 */
export function readCredentials (rawHeaders: readonly string[]): Presented {
  let key: string | undefined
  let authorization: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    // Compares the length first: most headers are neither, and lower-casing every name would be slow.
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

/** Adds the token of `Bearer <token>` (RFC 6750 §2.1; the scheme is case-insensitive, RFC 9110 §11.1). */
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

/** A key to be verified. */
export interface AskedKey {
  readonly key: string
  readonly digest: string
  readonly address: string
  readonly requestId: string
}
