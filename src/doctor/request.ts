/** Sends one request to a server. Does not follow redirects, and limits the time and size of the response. */
import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { codeOf } from '../lib/guards.js'

export interface DoctorRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The local address to connect from. Default: the system chooses one. */
  readonly localAddress?: string
  readonly family?: 4 | 6
}

export interface DoctorAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The first 64 KiB. */
  readonly body: string
  /** Milliseconds until the headers arrived. */
  readonly ms: number
  /** When the certificate expires, in milliseconds since the epoch. `undefined` without TLS. */
  readonly certificateEndsAt?: number | undefined
}

/** The response of a stream that was held open. */
export interface Held {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Milliseconds until the first byte of the body. `undefined` if none arrived. */
  readonly firstByteMs: number | undefined
  /** Milliseconds until the server ended the stream. `undefined` if it stayed open. */
  readonly endedMs: number | undefined
  readonly text: string
}

/**
 * There was no complete HTTP response. `code` is a system or TLS error code, `timeout` if nothing arrived, or
 * `unfinished` if the headers arrived and the body did not end.
 */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
  readonly code: string

  constructor (code: string) {
    super(`No answer (${code})`)
    this.code = code
  }
}

const maxBody = 64 * 1024

/**
 * Sends a request and reads the response within `timeoutMs`. Some servers leave an event stream open after
 * their response. Rejects with a `NoAnswerError`.
 */
export async function ask (url: URL, question: DoctorRequest, timeoutMs: number): Promise<DoctorAnswer> {
  const { status, headers, text, headersMs, certificateEndsAt } = await converse(url, question, {
    isComplete: ({ text, headers }) => text.length === maxBody || (isEventStream(headers) && hasResponse(text)),
    timeouts: [timeoutMs]
  })
  return { status, headers, body: text, ms: headersMs, certificateEndsAt }
}

/** Times in milliseconds since the request. */
export interface HoldLimits {
  /** Minimum time that a stream is held open. */
  readonly holdMs: number
  /** Maximum wait for the first byte, if it is longer than `holdMs`. */
  readonly firstByteMs: number
  /** Maximum wait for a comment, such as a keep-alive, if it is longer than `holdMs`. */
  readonly commentMs: number
}

/** Holds a stream open for a while, or until the server ends it. Rejects with a `NoAnswerError`. */
export async function hold (
  url: URL,
  question: DoctorRequest,
  { holdMs, firstByteMs, commentMs }: HoldLimits
): Promise<Held> {
  return await converse(url, question, {
    isComplete: ({ text, headers }, passed) => {
      if (!passed(holdMs)) return false
      if (text === '') return passed(firstByteMs)
      return hasComment(text) || headers['content-encoding'] !== undefined || passed(commentMs)
    },
    timeouts: [holdMs, firstByteMs, commentMs]
  })
}

export function isEventStream (headers: IncomingHttpHeaders): boolean {
  return /^text\/event-stream\b/i.test(headers['content-type'] ?? '')
}

/** True if a complete event of the stream is a JSON-RPC response. */
function hasResponse (stream: string): boolean {
  return stream.split(/\r?\n\r?\n/).slice(0, -1).some(event => /^data:.*"(?:result|error)"/m.test(event))
}

/** True if the stream has a comment after its first event. */
export function hasComment (stream: string): boolean {
  return stream.includes('\n:')
}

interface Conversation extends Held { readonly headersMs: number, readonly certificateEndsAt: number | undefined }
interface Bounds {
  /**
   * Returns true to end the request. Called for each chunk and after each timeout. `passed` checks a timeout.
   */
  readonly isComplete: (
    answer: Pick<Held, 'text' | 'headers'>,
    passed: (timeoutMs: number) => boolean
  ) => boolean
  /** Milliseconds since the request. The request fails after the last one, unless it is complete. */
  readonly timeouts: readonly number[]
}

/** A failed handshake may have the code `EPROTO`, and its reason only in the message, between colons. */
function failureOf (error: unknown): string {
  const code = codeOf(error, 'closed')
  const [, reason] = code === 'EPROTO' ? /:SSL routines:[^:]*:([^:]+):/.exec(String(error)) ?? [] : []
  return reason === undefined ? code : `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`
}

/** Node refuses some URLs and headers before it sends anything. */
function send (url: URL, options: RequestOptions): ClientRequest {
  try {
    return (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options)
  } catch (error) {
    throw new NoAnswerError(codeOf(error, 'invalid'))
  }
}

async function converse (
  url: URL,
  { method = 'GET', headers = {}, body, ...rest }: DoctorRequest,
  { isComplete, timeouts }: Bounds
): Promise<Conversation> {
  const startedAt = performance.now()
  const since = (): number => Math.round(performance.now() - startedAt)
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  const options: RequestOptions & { readonly servername: string } = {
    method,
    headers: { 'user-agent': 'fastify-mcp-auth-doctor', ...headers, ...length },
    agent: false,
    // Otherwise Node uses the Host header, which some checks forge.
    servername: isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0 ? url.hostname : '',
    ...rest
  }
  return await new Promise((resolve, reject) => {
    const sent = send(url, options)
    const stop = new AbortController()
    const passed = new Set<number>()
    let check = (): void => {}
    let hasHeaders = false
    const fail = (error: unknown): void => {
      stop.abort()
      sent.destroy()
      reject(new NoAnswerError(failureOf(error)))
    }
    for (const timeoutMs of new Set(timeouts)) {
      sleep(timeoutMs, undefined, { signal: stop.signal }).then(() => {
        passed.add(timeoutMs)
        check()
        if (timeouts.every(ms => passed.has(ms))) fail({ code: hasHeaders ? 'unfinished' : 'timeout' })
      }, () => {})
    }
    sent.on('error', fail)
    sent.on('response', response => {
      hasHeaders = true
      const headersMs = since()
      const { socket } = response
      const certificateEndsAt =
        socket instanceof TLSSocket && !socket.destroyed ? Date.parse(socket.getPeerCertificate().valid_to) : undefined
      let text = ''
      let firstByteMs: number | undefined
      const done = (endedMs: number | undefined): void => {
        stop.abort()
        sent.destroy()
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          firstByteMs,
          endedMs,
          headersMs,
          certificateEndsAt
        })
      }
      check = () => {
        if (isComplete({ text, headers: response.headers }, ms => passed.has(ms))) done(undefined)
      }
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        firstByteMs ??= since()
        text = (text + chunk).slice(0, maxBody)
        check()
      })
      for (const end of ['end', 'error', 'aborted']) response.once(end, () => { done(since()) })
      check()
    })
    sent.end(body)
  })
}

/** Connects and closes at once. Returns a code if that fails, or `timeout`. */
export async function failureAt (host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return await new Promise(resolve => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const end = (code: string | undefined): void => {
      socket.destroy()
      resolve(code)
    }
    socket.on('connect', () => { end(undefined) })
    socket.on('timeout', () => { end('timeout') })
    socket.on('error', error => { end(codeOf(error)) })
  })
}
