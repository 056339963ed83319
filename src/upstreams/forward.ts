/** Forwards requests to an upstream, relays its questions, and limits the size of results. */
import { type Client, LOG_LEVEL_META_KEY } from '@modelcontextprotocol/client'
import { PublicToolError } from '../errors.js'
import { isRecord } from '../lib/guards.js'
import type { CallContext } from '../tools/call-context.js'
import { type CallControls, Parking, UpstreamCall } from './call.js'
import { brokenOffCode, TooLargeError, tooLongCode, unreadableCode } from './transport/bounded-fetch.js'
import { UpstreamAwayError } from './connection.js'
import type { Forward } from './definitions.js'
import { httpStatusOf, isUnreadable } from './log-text.js'
import type { Pool } from './pool.js'

type Params = Record<string, unknown>

/**
 * The key of the caller's id in `_meta`. The `_meta` of the caller is not forwarded, so it cannot forge this.
 */
const callerKey = 'fastify-mcp-auth/caller'
/** Maximum number of question rounds in one call (revision 2026-07-28). */
const maxRounds = 16

export interface ForwardOptions {
  /** The name of the upstream. */
  readonly upstream: string
  readonly pool: Pool
  /** Adds the caller's id to `_meta` of each request. */
  readonly tellsCaller: boolean
  readonly parking: Parking
  readonly maxResultBytes: number
  /** Logs why a request failed. */
  readonly report: (error: unknown, context: CallContext) => void
  /** Returns a tool as the upstream listed it. Its schemas tell which arguments are also sent as headers. */
  readonly definition: (name: unknown) => unknown
}

export function forwardBy (
  { upstream, pool, tellsCaller, parking, maxResultBytes, report, definition }: ForwardOptions
): Forward {
  return async (method, given, context) => {
    const { id } = context.principal
    const params = tellsCaller ? { ...given, _meta: { [callerKey]: id } } : given
    const request = { upstream, method, params: given }
    const call: UpstreamCall =
      parking.resume(id, request, context.answered) ??
      new UpstreamCall(context, request, parking, async controls => {
        const speaker = {
          principalId: id,
          pending: controls.pending,
          ask: controls.ask,
          log: async (...args: Parameters<CallContext['log']>) => {
            await call.context.log(...args)
          }
        }
        return await attempt(pool, id, async (client, questions) => await questions.during(speaker, async () =>
          await inRounds(client, method, withLogs(client, params), controls, definition(params.name))
        ))
      })
    try {
      const result = await call.follow(context)
      requireSize(result, maxResultBytes)
      return result
    } catch (error) {
      if (!context.signal.aborted) report(error, context)
      throw inPublicWords(error, context, maxResultBytes)
    }
  }
}

/**
 * If the upstream no longer knows the session, opens a new one and tries again, once. The request has not run
 * yet.
 */
async function attempt (
  pool: Pool,
  principalId: string,
  work: (client: Client, questions: Awaited<ReturnType<Pool['of']>>['questions']) => Promise<Params>
): Promise<Params> {
  const connection = await pool.of(principalId)
  const use = async (opened: typeof connection): Promise<Params> =>
    await opened.use(async client => await work(client, opened.questions))
  try {
    return await use(connection)
  } catch (error) {
    if (!isForgotten(error)) throw error
    await pool.drop(connection)
    return await use(await pool.of(principalId))
  }
}

/**
 * In revision 2026-07-28 each request sets the log level of the server. All messages are requested here and
 * filtered by the level of the caller later.
 */
function withLogs (client: Client, params: Params): Params {
  if (client.getProtocolEra() !== 'modern') return params
  const meta = isRecord(params._meta) ? params._meta : {}
  return { ...params, _meta: { ...meta, [LOG_LEVEL_META_KEY]: 'debug' } }
}

/**
 * In revision 2026-07-28 a question is a result (`input_required`), and the call is repeated with the
 * answers.
 */
async function inRounds (
  client: Client,
  method: string,
  params: Params,
  controls: CallControls,
  definition: unknown
): Promise<Params> {
  let answers: Params = {}
  for (let round = 0; round < maxRounds; round++) {
    const result = await request(client, method, { ...params, ...answers }, controls, definition)
    if (result.resultType !== 'input_required') return result
    const questions = isRecord(result.inputRequests) ? Object.entries(result.inputRequests) : []
    const inputResponses = Object.fromEntries(
      await Promise.all(
        questions.map(async ([key, question]) => {
          const { method: name, params: details } = isRecord(question) ? question : {}
          return [key, await controls.ask(String(name), isRecord(details) ? details : {})] as const
        })
      )
    )
    answers = {
      inputResponses,
      ...(result.requestState === undefined ? {} : { requestState: result.requestState })
    }
  }
  throw new PublicToolError('The upstream server asked too many questions')
}

async function request (
  client: Client,
  method: string,
  params: Params,
  controls: CallControls,
  definition: unknown
): Promise<Params> {
  const { signal, timeout, onprogress } = controls
  const options = { signal, timeout, onprogress, allowInputRequired: true }
  switch (method) {
    case 'tools/call':
      return (await client.callTool(params as never, {
        ...options,
        ...(definition === undefined ? {} : { toolDefinition: definition as never })
      })) as Params
    case 'prompts/get':
      return (await client.getPrompt(params as never, options)) as Params
    case 'resources/read':
      return (await client.readResource(params as never, { ...options, cacheMode: 'bypass' })) as Params
    default:
      return (await client.complete(params as never, { signal, timeout })) as Params
  }
}

/**
 * Checks only the HTTP status: a JSON-RPC error comes from a request that has run. The specification has 404. The SDK's
 * examples, and servers made from them, answer 400 and name the session.
 */
function isForgotten (error: unknown): boolean {
  const { name, data } = error as { name?: unknown, data?: { status?: unknown, text?: unknown } }
  if (name !== 'SdkHttpError') return false
  return data?.status === 404 || (data?.status === 400 && /session/i.test(String(data.text)))
}

/** Throws an error if the result is too large, or nested too deeply to be sent. */
function requireSize (result: Params, maxBytes: number): void {
  let text: string
  try {
    text = JSON.stringify(result)
  } catch (error) {
    throw new UnreadableError('It answered with values that are nested too deeply', { cause: error })
  }
  if (Buffer.byteLength(text) > maxBytes) throw new TooLargeError('The answer is too large')
}

class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
}

function tooLarge ({ requestId }: CallContext, maxResultBytes: number): PublicToolError {
  return new PublicToolError(
    `The answer is larger than ${maxResultBytes} bytes; ask for less (request ${requestId})`
  )
}

/**
 * Converts an error into a constant message with the request id. The upstream's own message may contain
 * internals.
 */
function inPublicWords (error: unknown, context: CallContext, maxResultBytes: number): unknown {
  const { requestId, signal } = context
  // The endpoint has its own messages for a deadline and a cancellation.
  if (error instanceof PublicToolError || signal.aborted) return error
  const failure = (what: string): PublicToolError =>
    new PublicToolError(`The upstream server ${what} (request ${requestId})`)
  const status = httpStatusOf(error)
  if (status === 401 || status === 403) return failure('refused this server; the operator must correct this')
  if (error instanceof UpstreamAwayError) return failure('is not available; try again in a minute')
  if (isTooLarge(error)) return tooLarge(context, maxResultBytes)
  const { name, code } = error as { name?: unknown, code?: unknown }
  if (code === unreadableCode || error instanceof UnreadableError || isUnreadable(error)) {
    return failure('sent an answer that cannot be read')
  }
  if (name === 'ProtocolError' && typeof code === 'number' && code !== brokenOffCode) {
    return failure(`refused the request with code ${code}`)
  }
  if (name === 'SdkHttpError') return failure('failed; try again in a minute')
  return failure('stopped during this request; try again')
}

function isTooLarge (error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof TooLargeError || (cause as { code?: unknown }).code === tooLongCode) return true
  }
  return false
}
