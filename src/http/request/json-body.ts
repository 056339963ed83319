/** Parses JSON bodies safely: bounded depth, no prototype keys, valid UTF-8. */
import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MalformedBodyError, TooDeepError, TooManyValuesError, UnsupportedMediaTypeError } from '../../errors.js'

export interface JsonBodyOptions {
  /** The largest body in bytes. */
  readonly bodyLimit: number
  /** The deepest nesting of arrays and objects. Default 64. */
  readonly maxDepth?: number
}

const bodyBytes = Symbol('the size of the body of a request')

type Measured = FastifyRequest & { [bodyBytes]?: number }

/** The size of a request's JSON body in bytes. 0 if it had none, or another parser read it. */
export function bodyBytesOf (request: Measured): number {
  return request[bodyBytes] ?? 0
}

/**
 * Makes `application/json` the only accepted body type in this scope; others get a 415. A DELETE without a
 * body may have any content type, because some clients send one with every request. Call this in an
 * encapsulated scope, because it removes inherited parsers.
 */
export function registerJsonBody (scope: FastifyInstance, { bodyLimit, maxDepth = 64 }: JsonBodyOptions): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit },
    (request: Measured, body: Buffer, done) => {
      request[bodyBytes] = body.length
      if (isCoded(request.headers['content-encoding'])) {
        return done(new UnsupportedMediaTypeError({ reason: 'a content coding' }))
      }
      if (body.length === 0 && request.method === 'DELETE') return done(null)
      let value: unknown
      try {
        value = parseJson(body, maxDepth)
      } catch (error) {
        return done(error as Error)
      }
      done(null, value)
    }
  )
  scope.addContentTypeParser('*', (request, _payload, done) => {
    if (request.method === 'DELETE' && isEmpty(request.headers)) done(null)
    else done(new UnsupportedMediaTypeError())
  })
}

/** Content codings are case-insensitive, and `identity` means none (RFC 9110 §8.4.1, §12.5.3). */
function isCoded (header: string | undefined): boolean {
  return header !== undefined && header.split(',').some(coding => !/^\s*(?:identity)?\s*$/i.test(coding))
}

/** RFC 9112 §6.3: without either header a request has no body. */
function isEmpty ({ 'content-length': length, 'transfer-encoding': coding }: IncomingHttpHeaders): boolean {
  return coding === undefined && (length === undefined || length === '0')
}

/**
 * Parses a JSON text (RFC 8259). Throws `TooDeepError`, `TooManyValuesError` (more than 100,000 values) or
 * `MalformedBodyError`. The last also applies to a byte order mark, invalid UTF-8, and keys that reach a
 * prototype.
 */
export function parseJson (bytes: Buffer, maxDepth = 64): unknown {
  if (bytes.length > maxDepth && isDeeperThan(bytes, maxDepth)) throw new TooDeepError()
  if (bytes.length > 2 * maxValues && hasMoreValuesThan(bytes, maxValues)) throw new TooManyValuesError()
  if (!isUtf8(bytes)) throw new MalformedBodyError({ reason: 'the body is not UTF-8' })
  const text = bytes.toString('utf8')
  const value = parse(text)
  const isSuspect = typeof value === 'object' && value !== null && suspect.test(text)
  if (isSuspect && reachesPrototype(value as Record<string, unknown>)) {
    throw new MalformedBodyError({ reason: 'a key reaches a prototype' })
  }
  return value
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The library's message quotes the body.
    throw new MalformedBodyError({ reason: 'the body is not JSON' })
  }
}

const quote = 0x22
const backslash = 0x5c

/**
 * Counts open brackets outside strings. A megabyte of `[` keeps `JSON.parse` busy for hundreds of
 * milliseconds; this pass takes a few. The result is meaningless for text that is not JSON.
 */
export function isDeeperThan (bytes: Buffer, maxDepth: number): boolean {
  const { length } = bytes
  let depth = 0
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]
    if (byte === quote) {
      for (i++; i < length && bytes[i] !== quote; i++) if (bytes[i] === backslash) i++
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > maxDepth) return true
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--
    }
  }
  return false
}

/**
 * Validation allocates an object per value, and several for an invalid one. A megabyte can hold half a
 * million.
 */
const maxValues = 100_000

/** Counts the commas outside strings. */
function hasMoreValuesThan (bytes: Buffer, most: number): boolean {
  const { length } = bytes
  let commas = 0
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]
    if (byte === quote) {
      for (i++; i < length && bytes[i] !== quote; i++) if (bytes[i] === backslash) i++
    } else if (byte === 0x2c && ++commas >= most) return true
  }
  return false
}

/** Matches every text that could contain such a key, even escaped. Most bodies do not match. */
const suspect = /__proto__|constructor|\\u00[5-7]/

/** True if merging this value could write to a prototype. Walks without recursion. */
function reachesPrototype (root: Record<string, unknown>): boolean {
  const open: Array<Record<string, unknown>> = [root]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (Object.hasOwn(node, '__proto__')) return true
    // Not Object.entries, which is five times slower for a megabyte of small objects.
    for (const key in node) {
      const value: unknown = node[key]
      if (typeof value !== 'object' || value === null) continue
      if (key === 'constructor' && Object.hasOwn(value, 'prototype')) return true
      open.push(value as Record<string, unknown>)
    }
  }
  return false
}
