/** Forwards a request to an upstream, with its questions, and bounds the answer. */
import { type Client, LOG_LEVEL_META_KEY } from '@modelcontextprotocol/client'
import { PublicToolError } from '../errors.js'
import { isRecord } from '../lib/guards.js'
import type { CallContext } from '../tools/call-context.js'
import { type CallControls, Parking, UpstreamCall } from './call.js'
import { brokenOffCode, TooLargeError, tooLongCode, unreadableCode } from './transport/bounded-fetch.js'
import { UpstreamAwayError } from './connection.js'
import type { Forward } from './definitions.js'
import type { Pool } from './pool.js'

type Params = Record<string, unknown>

/** In `_meta`. Nothing of a caller's own `_meta` is passed on, so that it cannot be forged. */
const callerKey = 'fastify-mcp-auth/caller'
/** Rounds of questions in one call to an upstream of revision 2026-07-28. */
const maxRounds = 16

export interface ForwardOptions {
  readonly pool: Pool
  /** Puts the caller's id into `_meta` of each request. */
  readonly tellsCaller: boolean
  readonly parking: Parking
  readonly maxResultBytes: number
  /** Told why a request failed, for the log. */
  readonly report: (error: unknown, context: CallContext) => void
  /** A tool as the upstream listed it: its schemas say which arguments stand in headers, too. */
  readonly definition: (name: unknown) => unknown
}

export function forwardBy (
  { pool, tellsCaller, parking, maxResultBytes, report, definition }: ForwardOptions
): Forward {
  return async (method, asked, context) => {
    const { id } = context.principal
    const params = tellsCaller ? { ...asked, _meta: { [callerKey]: id } } : asked
    const call: UpstreamCall =
      parking.resume(id, context.answered) ??
      new UpstreamCall(context, parking, async controls => {
        const speaker = {
          principalId: id,
          pending: controls.pending,
          ask: controls.ask,
          log: async (...said: Parameters<CallContext['log']>) => {
            await call.context.log(...said)
          }
        }
        return await attempt(pool, id, async (client, questions) => {
          const leave = questions.open(speaker)
          try {
            return await inRounds(client, method, withLogs(client, params), controls, definition(params.name))
          } finally {
            leave()
          }
        })
      })
    let result: Params
    try {
      result = await call.follow(context)
    } catch (error) {
      if (!context.signal.aborted) report(error, context)
      throw inPublicWords(error, context, maxResultBytes)
    }
    if (Buffer.byteLength(JSON.stringify(result)) > maxResultBytes) {
      throw tooLarge(context, maxResultBytes)
    }
    return result
  }
}

/** A session that an upstream forgot is opened anew, once: it ran nothing of the request. */
async function attempt (
  pool: Pool,
  principalId: string,
  work: (client: Client, questions: Awaited<ReturnType<Pool['of']>>['questions']) => Promise<Params>
): Promise<Params> {
  const connection = await pool.of(principalId)
  const use = async (one: typeof connection): Promise<Params> =>
    await one.use(async client => await work(client, one.questions))
  try {
    return await use(connection)
  } catch (error) {
    if (!isForgotten(error)) throw error
    await pool.drop(connection)
    return await use(await pool.of(principalId))
  }
}

/** In revision 2026-07-28 a server logs what a request asks for; what a caller gets depends on its own request. */
function withLogs (client: Client, params: Params): Params {
  if (client.getProtocolEra() !== 'modern') return params
  const meta = isRecord(params._meta) ? params._meta : {}
  return { ...params, _meta: { ...meta, [LOG_LEVEL_META_KEY]: 'debug' } }
}

/** In revision 2026-07-28 a question is an answer of the upstream, which wants the call again with what was said. */
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
    const asked = isRecord(result.inputRequests) ? Object.entries(result.inputRequests) : []
    const inputResponses = Object.fromEntries(
      await Promise.all(
        asked.map(async ([key, question]) => {
          const { method: what, params: about } = isRecord(question) ? question : {}
          return [key, await controls.ask(String(what), isRecord(about) ? about : {})] as const
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

/** By the status of HTTP alone: an error of JSON-RPC with this code came from a request that ran. */
function isForgotten (error: unknown): boolean {
  const { name, data } = error as { name?: unknown, data?: { status?: unknown } }
  return name === 'SdkHttpError' && data?.status === 404
}

function tooLarge ({ requestId }: CallContext, maxResultBytes: number): PublicToolError {
  return new PublicToolError(
    `The answer is larger than ${maxResultBytes} bytes; ask for less (request ${requestId})`
  )
}

/** Constants and the request id: an upstream's own words of a failure may hold what is internal to it. */
function inPublicWords (error: unknown, context: CallContext, maxResultBytes: number): unknown {
  const { requestId, signal } = context
  // The endpoint's own words for a deadline and a cancellation.
  if (error instanceof PublicToolError || signal.aborted) return error
  const says = (what: string): PublicToolError =>
    new PublicToolError(`The upstream server ${what} (request ${requestId})`)
  if (error instanceof UpstreamAwayError) return says('is not available; try again in a minute')
  if (isTooLarge(error)) return tooLarge(context, maxResultBytes)
  const { name, code, data } = error as { name?: unknown, code?: unknown, data?: { status?: unknown } }
  if (code === unreadableCode || code === 'INVALID_RESULT') return says('sent an answer that cannot be read')
  if (name === 'ProtocolError' && typeof code === 'number' && code !== brokenOffCode) {
    return says(`refused the request with code ${code}`)
  }
  if (name === 'UnauthorizedError' || data?.status === 401 || data?.status === 403) {
    return says('refused this server; the operator must correct this')
  }
  if (name === 'SdkHttpError') return says('failed; try again in a minute')
  return says('stopped during this request; try again')
}

function isTooLarge (error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof TooLargeError || (cause as { code?: unknown }).code === tooLongCode) return true
  }
  return false
}
