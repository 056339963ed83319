/** Runs a route for a tool call, in process: through the route's own hooks, without a credential. */
import type { FastifyInstance, InjectOptions } from 'fastify'
import { PublicToolError, ResultTooLargeError } from '../errors.js'
import { asPrincipal } from '../http/request/in-process.js'
import { isRecord } from '../lib/guards.js'
import type { CallContext } from '../tools/call-context.js'
import type { ToolResult } from '../tools/tool.js'
import type { RouteInput } from './route-input.js'
import type { RoutePath } from './route-path.js'

export interface CalledRoute {
  /** As it was registered, such as `/orders/:id`. */
  readonly url: string
  readonly method: NonNullable<InjectOptions['method']>
  readonly path: RoutePath
  readonly input: RouteInput
  /** Headers that the route's constraints ask for. */
  readonly headers: Readonly<Record<string, string>>
  /** The largest answer, in bytes. */
  readonly maxBytes: number
}

interface RouteAnswer {
  readonly status: number
  readonly mimeType: string
  /** Such as `utf-8`. */
  readonly charset: string
  /** Of `Content-Encoding`, such as `gzip`; empty where the body is as it is. */
  readonly encoding: string
  readonly retryAfter: unknown
  readonly body: Buffer
}

/** So much of a refusal's own words reaches a model. */
const maxRefusalText = 2000

/**
 * Resolves to what the route answered: JSON and text as they are, pictures and sound as content, a status of 4xx as an
 * error with its words. Throws where the answer is a 5xx, so that the caller is told a constant.
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
      // A host may trust its own machine: the caller's address is what limits and lists of addresses should see.
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
    // What was not read to its end would go on for nobody.
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

/** Reads no more than `maxBytes`. A body that has no end is left at the deadline of the call. */
async function answerOf (app: FastifyInstance, options: InjectOptions, maxBytes: number): Promise<RouteAnswer> {
  const response = await app.inject({ ...options, payloadAsStream: true })
  const { statusCode: status, headers } = response
  const stream = response.stream()
  const chunks: Buffer[] = []
  let bytes = 0
  // A refusal is cut below, a fault is not shown: neither has to fit.
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
  // What a server says of its own failure may hold what is internal to it.
  if (status >= 500) throw new Error(`the route answered with ${status}`)
  if (status >= 400) {
    // Nobody gets in by a tool then: most hosts forget to let `request.mcp.principal` pass.
    if (status === 401) logger.warn('a hook of the route refused the caller of a tool with 401')
    const isShown = isText(mimeType) && encoding === ''
    throw new PublicToolError(refusalText(status, retryAfter, isShown ? textIn(answer) : ''))
  }
  if (status >= 300) {
    throw new PublicToolError(`The route answered with ${status}, a redirect, which a tool cannot follow`)
  }
  // None was asked for.
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

/** As UTF-8 where nobody knows the charset. */
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
