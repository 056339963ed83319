/** Sessions of the 2025 revisions over a socket, with streams that are read as they arrive. */
import type { FastifyInstance } from 'fastify'
import { type Message, eventsOf, initialize, post, withKey } from './service.js'

export type Headers = Record<string, string>

export interface SessionOptions {
  readonly revision?: string
  readonly capabilities?: object
  readonly credential?: Headers
}

/** Opens a session and returns its headers. */
export async function openSession (
  app: FastifyInstance,
  { revision = '2025-11-25', capabilities = {}, credential = withKey }: SessionOptions = {}
): Promise<Headers> {
  const { headers } = await post(app, initialize({ protocolVersion: revision, capabilities }), credential)
  return {
    ...credential,
    'mcp-session-id': String(headers['mcp-session-id']),
    'mcp-protocol-version': revision
  }
}

/** Untyped JSON. Each test asserts what it reads. */
type Parsed = ReturnType<typeof JSON.parse>

export interface Reading {
  readonly response: Response
  readonly text: () => string
  /** The messages so far. */
  readonly messages: () => Parsed[]
  /** The id of the last event, to resume from. */
  readonly lastId: () => string
  /** Resolves with all text when the stream ends. Rejects if the connection breaks. */
  readonly ended: Promise<string>
}

/** The same over a socket, for a server in its own process. */
export async function openSessionAt (
  url: string,
  { revision = '2025-11-25', capabilities = {}, credential = withKey }: SessionOptions = {}
): Promise<Headers> {
  const { headers } = (await begin(url, initialize({ protocolVersion: revision, capabilities }), credential)).response
  return {
    ...credential,
    'mcp-session-id': headers.get('mcp-session-id') ?? '',
    'mcp-protocol-version': revision
  }
}

/** Posts a message and returns the complete answer. */
export async function ask (
  url: string,
  message: Message | object,
  headers: Headers
): Promise<{ status: number; body: Parsed }> {
  const answer = await begin(url, message, headers)
  await answer.ended
  return { status: answer.response.status, body: answer.messages().at(-1) }
}

/** Reads a stream to its end in the background. */
export function read (response: Response): Reading {
  let text = ''
  const ended = (async () => {
    const decoder = new TextDecoder()
    if (response.body !== null) {
      for await (const chunk of response.body) text += decoder.decode(chunk as Uint8Array, { stream: true })
    }
    return text
  })()
  ended.catch(() => {})
  return {
    response,
    text: () => text,
    messages: () => eventsOf(text),
    lastId: () => [...text.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1] ?? '',
    ended
  }
}

/** Starts a call whose stream closes at once, and resumes the stream. */
export async function resumed (url: string, message: Message | object, headers: Headers): Promise<Reading> {
  const left = await begin(url, message, headers)
  await left.ended
  return await listen(url, headers, left.lastId())
}

/** Posts to a server at `url`. Resolves when the response headers arrive. */
export async function begin (
  url: string,
  message: Message | object,
  headers: Headers = withKey,
  signal?: AbortSignal
): Promise<Reading> {
  return read(
    await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(message),
      ...(signal === undefined ? {} : { signal })
    })
  )
}

/** Opens the stream of a session, or resumes one after an event. */
export async function listen (
  url: string,
  headers: Headers,
  lastEventId?: string,
  signal?: AbortSignal
): Promise<Reading> {
  return read(
    await fetch(`${url}/mcp`, {
      headers: {
        accept: 'text/event-stream',
        ...headers,
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId })
      },
      ...(signal === undefined ? {} : { signal })
    })
  )
}

/** Returns true if `promise` settles within `ms`. */
export async function settles (promise: Promise<unknown>, ms = 120_000): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>(resolve => { timer = setTimeout(() => { resolve(false) }, ms) })
  try {
    return await Promise.race([promise.then(() => true, () => true), late])
  } finally {
    clearTimeout(timer)
  }
}
