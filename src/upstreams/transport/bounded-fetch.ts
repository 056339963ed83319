/** `fetch` for an upstream: refuses redirects and challenges, and limits response sizes. */
import { isRecord } from '../../lib/guards.js'

/** A response, or an event of a stream, is too large. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError'
}

/** JSON-RPC error codes for a response that is too large, has no valid result, or is missing. */
export const tooLongCode = -31_413
export const unreadableCode = -31_422
export const brokenOffCode = -31_502

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

/** `maxBytes` limits a body, and each event of an event stream, after decompression. */
export function boundedFetch (maxBytes: number): Fetch {
  return async (url, init) => {
    // A redirect would send the headers, which contain a credential, to another host.
    const response = await fetch(url, { ...init, redirect: 'error' })
    const { body, headers: given, status, statusText } = response
    const headers = new Headers(given)
    // Without the challenge the SDK does not look for a way to sign in.
    headers.delete('www-authenticate')
    if (body === null) return new Response(null, { headers, status, statusText })
    const isStream = headers.get('content-type')?.toLowerCase().startsWith('text/event-stream') === true
    if (isStream) {
      return new Response(body.pipeThrough(boundedEvents(maxBytes, postedIdOf(init?.body))), {
        headers,
        status,
        statusText
      })
    }
    const length = headers.has('content-encoding') ? undefined : headers.get('content-length') ?? undefined
    if (length === undefined) return new Response(body.pipeThrough(bounded(maxBytes)), { headers, status, statusText })
    if (Number(length) <= maxBytes) return new Response(body, { headers, status, statusText })
    await body.cancel().catch(() => {})
    throw new TooLargeError('The answer is too large')
  }
}

function bounded (maxBytes: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0
  return new TransformStream({
    transform (chunk, controller) {
      bytes += chunk.byteLength
      if (bytes > maxBytes) controller.error(new TooLargeError('The answer is too large'))
      else controller.enqueue(chunk)
    }
  })
}

/** Limits each event. A larger one ends the stream with an error for the request. */
function boundedEvents (maxBytes: number, id: number | undefined): TransformStream<Uint8Array, Uint8Array> {
  let [bytes, tail] = [0, '']
  return new TransformStream({
    transform (chunk, controller) {
      bytes += chunk.byteLength
      if (bytes > maxBytes) {
        if (id !== undefined) controller.enqueue(Buffer.from(`\n\ndata: ${JSON.stringify(tooLong(id))}\n\n`))
        controller.terminate()
        return
      }
      const text = tail + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
      tail = text.slice(-3)
      const end = Math.max(text.lastIndexOf('\n\n'), text.lastIndexOf('\r\n\r\n'), text.lastIndexOf('\r\r'))
      if (end !== -1) bytes = text.length - end
      controller.enqueue(chunk)
    }
  })
}

function tooLong (id: number): unknown {
  return { jsonrpc: '2.0', id, error: { code: tooLongCode, message: 'The message is too long' } }
}

/** The id of the posted request. `undefined` for another message or without a body. */
export function postedIdOf (body: unknown): number | undefined {
  if (typeof body !== 'string') return undefined
  const message: unknown = JSON.parse(body)
  return isRecord(message) && 'method' in message && typeof message.id === 'number' ? message.id : undefined
}
