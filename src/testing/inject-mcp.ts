/** Sends a message to an endpoint with `inject`, and collects its answer and earlier notifications. */
import type { FastifyInstance, InjectOptions } from 'fastify'
import { asPrincipal } from '../http/request/in-process.js'
import { isRecord } from '../lib/guards.js'
import type { Principal } from '../principal/principal.js'

export type JsonObject = Record<string, unknown>

export interface TestTarget {
  readonly app: FastifyInstance
  readonly url: string
  /** The headers of every request, including the credential. */
  readonly headers: Readonly<Record<string, string>>
  /** The caller, if no credential is sent. */
  readonly principal?: Principal | undefined
}

export interface TestAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  /** The JSON-RPC response, or the plain body of a refusal; `undefined` if there is none. */
  readonly answer: JsonObject | undefined
}

/** Called with each message that is not the answer, as it arrives. */
export type OnMessage = (message: JsonObject) => void

/** Posts `message`. Resolves with its answer, or when its stream ends. */
export async function postMessage (
  target: TestTarget,
  message: JsonObject,
  headers: Record<string, string>,
  onMessage: OnMessage
): Promise<TestAnswer> {
  return await send(
    target,
    {
      method: 'POST',
      payload: JSON.stringify(message),
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers
      }
    },
    onMessage
  )
}

export async function send (
  { app, url, headers, principal }: TestTarget,
  options: InjectOptions & { readonly headers: Record<string, string> },
  onMessage: OnMessage
): Promise<TestAnswer> {
  await app.ready()
  const inject = async (more: Record<string, string>) =>
    await app.inject({
      ...options,
      url,
      headers: { ...headers, ...options.headers, ...more },
      payloadAsStream: true
    })
  const response = principal === undefined ? await inject({}) : await asPrincipal(principal, inject)
  const isStream = String(response.headers['content-type']).startsWith('text/event-stream')
  const { statusCode: status, headers: answered } = response
  let answer: JsonObject | undefined
  const take = (message: unknown): void => {
    if (!isRecord(message)) return
    if (isStream && 'method' in message) onMessage(message)
    else answer = message
  }
  let text = ''
  for await (const chunk of response.stream().setEncoding('utf8')) {
    text += String(chunk)
    if (isStream) text = takeEvents(text, take)
  }
  if (!isStream && text !== '') take(parsed(text))
  return { status, headers: answered, answer }
}

/** Parses JSON. Text that is not JSON becomes an error message for the test. */
function parsed (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text
    return { message: `the answer is not JSON: ${shown}` }
  }
}

/** Parses the complete events in the text of a stream. Returns the rest of the text. */
function takeEvents (text: string, take: (message: unknown) => void): string {
  const events = text.split(/\r?\n\r?\n/)
  const rest = events.pop() ?? ''
  for (const event of events) {
    const lines = event.split(/\r?\n/).filter(line => line.startsWith('data:'))
    const data = lines.map(line => line.slice(5).trim()).join('\n')
    if (data !== '') take(parsed(data))
  }
  return rest
}
