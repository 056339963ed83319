/**
 * Asking the caller in revision 2026-07-28: the call is answered with `input_required`, and the
 * caller sends it again with the answers. The handler then runs from its start; what it asked
 * before is answered at once.
 */
import { type RequestStateCodec, type ServerContext, createRequestStateCodec } from '@modelcontextprotocol/server'
import { InvalidParamsError, RequestStateError } from '../../errors.js'
import type { Ask, Exchange } from '../exchange.js'
import { type RpcRequest, isRecord } from '../messages.js'
import { type Envelope, needCapability } from './envelope.js'

const capabilityOf = { 'elicitation/create': 'elicitation', 'sampling/createMessage': 'sampling', 'roots/list': 'roots' } as const

type Answers = Record<string, Record<string, unknown>>

export class Asking {
  readonly #codec: RequestStateCodec<Answers>

  /** `key`: at least 32 bytes; the same on every instance that serves one endpoint. */
  constructor (key: Uint8Array) {
    this.#codec = createRequestStateCodec<Answers>({ key, ttlSeconds: 600, bind: boundTo })
  }

  /**
   * Lets the handler of `exchange` ask. Throws where the request carries a state that this server
   * did not give to this principal for this very request.
   */
  begin (request: RpcRequest, exchange: Exchange, envelope: Envelope): Promise<void> | undefined {
    const { requestState, inputResponses } = request.params ?? {}
    const responses = recordsOf(inputResponses)
    const context = { request, exchange }
    if (requestState === undefined) {
      exchange.ask = this.#askerOf(context, envelope, responses)
      return undefined
    }
    return this.#earlier(requestState, context).then(earlier => {
      const ask = this.#askerOf(context, envelope, { ...earlier, ...responses })
      exchange.ask = ask
    })
  }

  #askerOf (context: Binding, envelope: Envelope, given: Answers): Ask {
    const { exchange } = context
    // Only what the handler asked for goes into the state: the rest would grow it from round to round.
    const answers: Answers = {}
    const asked: Record<string, { method: string, params: Record<string, unknown> }> = {}
    let count = 0

    const suspend = async (): Promise<void> => {
      const requestState = await this.#codec.mint(answers, contextOf(context))
      exchange.suspend({ resultType: 'input_required', inputRequests: asked, requestState })
    }

    return async (method, question, key) => {
      needCapability(envelope, capabilityOf[method as keyof typeof capabilityOf])
      const name = key ?? `input_${++count}`
      const answer = Object.hasOwn(given, name) ? given[name] : undefined
      if (answer !== undefined) {
        answers[name] = answer
        return answer
      }
      // All that the handler asks in this turn of the event loop goes out together.
      if (Object.keys(asked).length === 0) setImmediate(() => { suspend().catch(error => { exchange.fail(error) }) })
      asked[name] = { method, params: question }
      return await new Promise(() => {})
    }
  }

  async #earlier (state: unknown, context: Binding): Promise<Answers> {
    if (state === undefined) return {}
    if (typeof state !== 'string') throw new RequestStateError({ reason: 'the request state is no string' })
    try {
      return await this.#codec.verify(state, contextOf(context))
    } catch (error) {
      throw new RequestStateError({ reason: 'the request state did not verify', cause: error })
    }
  }
}

function recordsOf (value: unknown): Answers {
  if (value === undefined) return {}
  if (!isRecord(value) || !Object.values(value).every(isRecord)) throw new InvalidParamsError({ reason: 'inputResponses is no object of objects' })
  return value as Answers
}

/** What a state is good for: this principal, and this very request. */
interface Binding {
  readonly request: RpcRequest
  readonly exchange: Exchange
}

/** The codec hands its context on to `bind`, and looks at nothing of it itself. */
function contextOf (binding: Binding): ServerContext {
  return binding as unknown as ServerContext
}

function boundTo (context: ServerContext): string {
  const { request: { method, params = {} }, exchange: { caller } } = context as unknown as Binding
  const { name, uri, arguments: args } = params
  return JSON.stringify([caller.principal.id, method, name, uri, args])
}
