/** Calls a route for a tool, in process: through the route's own hooks, without a credential. */
import type { FastifyInstance, InjectOptions } from 'fastify'
import { PublicToolError, ResultTooLargeError } from '../errors.js'
import { asPrincipal } from '../http/request/in-process.js'
import { isRecord } from '../lib/guards.js'
import type { CallContext } from '../tools/call-context.js'
import type { ToolResult } from '../tools/tool.js'
import type { RouteInput } from './route-input.js'
import type { RoutePath } from './route-path.js'

export interface CalledRoute {
  /** The path as registered, such as `/orders/:id`. */
  readonly url: string
  readonly method: NonNullable<InjectOptions['method']>
  readonly path: RoutePath
  readonly input: RouteInput
  /** The headers that the route's constraints require. */
  readonly headers: Readonly<Record<string, string>>
  /** The largest answer, in bytes. */
  readonly maxBytes: number
}

interface RouteAnswer {
  readonly status: number
  readonly mimeType: string
  /** The charset, such as `utf-8`. */
  readonly charset: string
  /** The `Content-Encoding`, such as `gzip`; empty if there is none. */
  readonly encoding: string
  readonly retryAfter: unknown
  readonly body: Buffer
}

/** The most characters of a route's error message that reach a model. */
const maxRefusalText = 2000

/**
 * Resolves to the route's answer: JSON and text unchanged, images and audio as content, and a 4xx as an error
 * with its message. Throws for a 5xx, so that the caller gets only a constant message.
 */
export async function callRoute (
  app: FastifyInstance,
  route: CalledRoute,
  args: Readonly<Record<string, unknown>>,
  context: CallContext
): Promise<ToolResult> {
  const { principal, request: { address }, signal } = context
  const { url, payload } = requestOf(route, args)
  const ending = new AbortController()
  const end = (): void => { ending.abort() }
  signal.addEventListener('abort', end, { once: true })
  try {
    const call = { route: route.url, signal: ending.signal }
    const answer = await asPrincipal(principal, async granted => await answerOf(app, {
      method: route.method,
      url,
      // Passes the caller's address on: a host may trust requests from its own machine.
      ...(address === '' ? {} : { remoteAddress: address }),
      headers: {
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...context.traceHeaders(),
        ...route.headers,
        ...granted
      },
      ...(payload === undefined ? {} : { payload })
    }, route.maxBytes), call)
    return resultOf(answer, context)
  } finally {
    signal.removeEventListener('abort', end)
    // Ends an answer that was not read completely.
    end()
  }
}

function requestOf (
  { path, input: { places, hasBody } }: CalledRoute,
  args: Readonly<Record<string, unknown>>
): { url: string, payload: string | undefined } {
  const params = new Map<string, string>()
  const query = new URLSearchParams()
  const members: Array<[string, unknown]> = []
  let body: { readonly value: unknown } | undefined
  for (const [argument, value] of Object.entries(args)) {
    const { place, name } = places.get(argument) ?? {}
    if (place === undefined || name === undefined || value === undefined) continue
    if (place === 'params') params.set(name, textOf(value))
    else if (place === 'querystring') for (const one of [value].flat()) query.append(name, textOf(one))
    else if (place === 'member') members.push([name, value])
    else body = { value }
  }
  const built = path.build(params)
  if (built === undefined) {
    throw new PublicToolError('Invalid arguments. A path parameter must not be empty, "." or ".."')
  }
  const search = query.toString()
  return {
    url: search === '' ? built : `${built}?${search}`,
    payload: hasBody ? JSON.stringify(body === undefined ? Object.fromEntries(members) : body.value) : undefined
  }
}

function textOf (value: unknown): string {
  if (value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Reads at most `maxBytes`. The deadline of the call ends a body that never ends. */
async function answerOf (app: FastifyInstance, options: InjectOptions, maxBytes: number): Promise<RouteAnswer> {
  const response = await app.inject({ ...options, payloadAsStream: true })
  const { statusCode: status, headers } = response
  const stream = response.stream()
  const chunks: Buffer[] = []
  let bytes = 0
  // The limit does not apply to errors: a 4xx is truncated below, and a 5xx is not shown.
  const isShown = status < 400
  for await (const chunk of stream) {
    const piece = Buffer.from(chunk as Uint8Array)
    bytes += piece.length
    if (bytes > maxBytes) {
      if (!isShown) break
      throw new ResultTooLargeError({ data: { limitBytes: maxBytes }, reason: 'the answer of a route' })
    }
    chunks.push(piece)
  }
  const type = String(headers['content-type'] ?? '')
  const [mimeType = ''] = type.split(';', 1)
  return {
    status,
    mimeType: mimeType.trim().toLowerCase(),
    charset: /;\s*charset="?([^\s;"]+)/i.exec(type)?.[1] ?? 'utf-8',
    encoding: String(headers['content-encoding'] ?? '').replace(/^identity$/i, ''),
    retryAfter: headers['retry-after'],
    body: Buffer.concat(chunks)
  }
}

function resultOf (answer: RouteAnswer, { logger }: CallContext): ToolResult {
  const { status, mimeType, encoding, retryAfter, body } = answer
  // The body of a 5xx may contain internals.
  if (status >= 500) throw new Error(`the route answered with ${status}`)
  if (status >= 400) {
    // The tool cannot work then. Most likely the host's hook does not accept `request.mcp.principal`.
    if (status === 401) logger.warn('a hook of the route refused the caller of a tool with 401')
    const isShown = isText(mimeType) && encoding === ''
    throw new PublicToolError(refusalText(status, retryAfter, isShown ? textIn(answer) : ''))
  }
  if (status >= 300) {
    throw new PublicToolError(`The route answered with ${status}, a redirect, which a tool cannot follow`)
  }
  // The request did not accept any content coding.
  if (encoding !== '') throw new PublicToolError(`The route answered with ${encoding}, which a tool cannot read`)
  if (body.length === 0) return { content: [{ type: 'text', text: `Done (${status}).` }] }
  const [family] = mimeType.split('/', 1)
  if (family === 'image' || family === 'audio') {
    return { content: [{ type: family, data: body.toString('base64'), mimeType }] }
  }
  if (!isText(mimeType)) {
    throw new PublicToolError(`The route answered with ${mimeType}, which a tool cannot show`)
  }
  const text = textIn(answer)
  const value = isJson(mimeType) ? parsed(text) : undefined
  return isRecord(value) ? { structuredContent: value } : { content: [{ type: 'text', text }] }
}

/** Decodes the body. An unknown charset is read as UTF-8. */
function textIn ({ charset, body }: RouteAnswer): string {
  try {
    return new TextDecoder(charset).decode(body)
  } catch {
    return body.toString()
  }
}

function refusalText (status: number, retryAfter: unknown, text: string): string {
  const value = parsed(text)
  const words = isRecord(value) && typeof value.message === 'string' ? value.message : text
  const isKnown = typeof retryAfter === 'string' && /^\d{1,7}$/.test(retryAfter)
  const wait = isKnown ? ` Try again in ${retryAfter} seconds.` : ''
  const { length } = words
  const shown = length > maxRefusalText ? `${words.slice(0, maxRefusalText)}…` : words
  return `The request was refused (${status})${shown === '' ? '.' : `: ${shown}`}${wait}`
}

function isJson (mimeType: string): boolean {
  return mimeType === 'application/json' || mimeType.endsWith('+json')
}

function isText (mimeType: string): boolean {
  return isJson(mimeType) || mimeType === '' || mimeType.startsWith('text/') || mimeType.endsWith('xml') ||
    mimeType === 'application/yaml'
}

function parsed (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
