/**
 * Questions to the caller in revision 2026-07-28: the call is answered with `input_required`, and the
 * caller sends it again with the answers. The handler then runs again from its start, and its earlier
 * questions are answered at once.
 */
import { randomUUID } from 'node:crypto'
import { type RequestStateCodec, type ServerContext, createRequestStateCodec } from '@modelcontextprotocol/server'
import { canonicalJson } from '../../lib/canonical-json.js'
import { sha256 } from '../../lib/sha256.js'
import {
  InvalidParamsError,
  MissingCapabilityError,
  RequestStateError,
  UnavailableError,
  retryLater
} from '../../errors.js'
import type { Eventually } from '../../lib/eventually.js'
import type { QuestionMethod } from '../exchange/client-answers.js'
import type { Exchange } from '../exchange/exchange.js'
import type { AskClient, ClientChannel } from '../exchange/caller.js'
import { type RpcRequest } from '../wire/messages.js'
import { capabilityOf, lackOf } from '../exchange/client-capabilities.js'
import type { Envelope } from './envelope.js'
import { isRecord } from '../../lib/guards.js'

/** The methods that may be answered with `input_required` (MCP 2026-07-28, Multi Round-Trip Requests). */
const mayAsk: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

type Answer = Record<string, unknown>

/**
 * The state that a caller carries between rounds. Each answer is stored with the digest of its question: a
 * "yes" to "Delete 3 files?" does not answer "Delete 300 files?".
 */
interface RequestState {
  readonly answered: Readonly<Record<string, { readonly digest: string, readonly answer: Answer }>>
  /** The digests of the questions that were sent, by key. */
  readonly asked: Readonly<Record<string, string>>
  /** Distinguishes the states of two calls that ask the same questions at the same moment. */
  readonly nonce: string
}

/** The part of a channel through which a handler asks. */
export type Asker = Pick<ClientChannel, 'ask' | 'answered'>

/** The state and the answers in a request. */
interface Given {
  readonly binding: Binding
  readonly envelope: Envelope
  readonly responses: Readonly<Record<string, Answer>>
  /** Missing if the request has no state. */
  readonly state: RequestState | undefined
}

/** Records which states were used, across all instances. */
export interface SpentStates {
  /** True for the first use within `ttlMs`. May reject if the shared store cannot be reached. */
  readonly spend: (id: string, ttlMs: number) => Eventually<boolean>
}

const ttlSeconds = 600
/** The allowed clock difference between instances. */
const spentMs = 2 * ttlSeconds * 1000

export class Asking {
  readonly #codec: RequestStateCodec<RequestState>
  readonly #spent: SpentStates

  /** `key`: at least 32 bytes, the same on every instance of the endpoint. */
  constructor (key: Uint8Array, spent: SpentStates) {
    this.#codec = createRequestStateCodec<RequestState>({ key, ttlSeconds, bind: boundTo })
    this.#spent = spent
  }

  /**
   * How the handler of `exchange` asks questions; `undefined` if its method does not support them. Throws if the
   * request has a state that this server did not issue to this principal for this request; with `once`, also if the
   * state was used before.
   */
  askerFor (
    request: RpcRequest,
    exchange: Exchange,
    envelope: Envelope,
    once = false
  ): Eventually<Asker | undefined> {
    if (!mayAsk.has(request.method)) return undefined
    const { requestState, inputResponses } = request.params ?? {}
    const binding = { request, exchange }
    const responses = recordsOf(inputResponses)
    if (requestState === undefined) {
      // Answers without a state could be repeated any number of times.
      const counted = once ? {} : responses
      const ask = this.#askerOf({ binding, envelope, responses: counted, state: undefined })
      return { ask, answered: Object.keys(counted) }
    }
    return this.#verified(requestState, binding).then(async state => {
      if (once) await this.#spend(String(requestState))
      const ask = this.#askerOf({ binding, envelope, responses, state })
      return { ask, answered: [...Object.keys(responses), ...Object.keys(state.answered)] }
    })
  }

  /** Most handlers never ask, so the round is created with the first question. */
  #askerOf (given: Given): AskClient {
    let round: Round | undefined
    return async (method, params, key) => {
      round ??= new Round(given, this.#codec)
      return await round.ask(method, params, key)
    }
  }

  async #spend (state: string): Promise<void> {
    let isFirst: boolean
    try {
      isFirst = await this.#spent.spend(`state:${sha256(state)}`, spentMs)
    } catch (error) {
      throw new UnavailableError(
        retryLater(1000, { reason: 'the store of used states cannot be reached', cause: error })
      )
    }
    if (!isFirst) throw new RequestStateError({ reason: 'the request state was used before' })
  }

  async #verified (state: unknown, binding: Binding): Promise<RequestState> {
    if (typeof state !== 'string') throw new RequestStateError({ reason: 'the request state is not a string' })
    try {
      return await this.#codec.verify(state, contextOf(binding))
    } catch (error) {
      throw new RequestStateError({ reason: 'the request state did not verify', cause: error })
    }
  }
}

/** One run of a handler that asks. */
class Round {
  readonly #given: Given
  readonly #codec: RequestStateCodec<RequestState>
  /** Only answers to questions of this run go into the next state, so that it does not grow with each round. */
  readonly #answered = new Map<string, RequestState['answered'][string]>()
  readonly #asked = new Map<string, { digest: string; method: string; params: Record<string, unknown> }>()
  #count = 0

  constructor (given: Given, codec: RequestStateCodec<RequestState>) {
    this.#given = given
    this.#codec = codec
  }

  /** The `elicitationId` belongs to a notification that this revision lacks, and differs in each run. */
  async ask (
    method: QuestionMethod,
    { elicitationId: _, ...params }: Record<string, unknown>,
    key: string | undefined
  ): Promise<Answer> {
    const {
      envelope,
      binding: { exchange }
    } = this.#given
    const capability = capabilityOf[method]
    const lack = lackOf(envelope.capabilities[capability], method, params)
    if (lack !== undefined) {
      throw new MissingCapabilityError({ data: { requiredCapabilities: { [capability]: lack } } })
    }
    const name = key ?? `input_${++this.#count}`
    // The body parser refuses a key `__proto__` before this code runs.
    if (name === '__proto__' || this.#answered.has(name) || this.#asked.has(name)) {
      throw new Error(`each question of a call needs its own key, but ${name} is repeated`)
    }
    const digest = sha256(canonicalJson([method, params]))
    const answer = this.#answerTo(name, digest)
    if (answer !== undefined) {
      this.#answered.set(name, { digest, answer })
      return answer
    }
    // All questions in this turn of the event loop are sent together.
    if (this.#asked.size === 0) {
      setImmediate(() => {
        this.#suspend().catch(error => {
          exchange.fail(error)
        })
      })
    }
    this.#asked.set(name, { digest, method, params })
    return await new Promise(() => {})
  }

  /**
   * The caller's answer to this exact question. A request without a state does not say which questions it
   * answers, so its answers are accepted for any question.
   */
  #answerTo (name: string, digest: string): Answer | undefined {
    const { state, responses } = this.#given
    const response = own(responses, name)
    if (state === undefined) return response
    if (response !== undefined && own(state.asked, name) === digest) return response
    const before = own(state.answered, name)
    return before?.digest === digest ? before.answer : undefined
  }

  async #suspend (): Promise<void> {
    const { binding } = this.#given
    // Before the state is signed: a later question is not in it and must wait for the next round.
    const asked = [...this.#asked]
    const inputRequests = Object.fromEntries(
      asked.map(([name, { method, params }]) => [name, { method, params }])
    )
    const requestState = await this.#codec.mint(
      {
        answered: Object.fromEntries(this.#answered),
        asked: Object.fromEntries(asked.map(([name, { digest }]) => [name, digest])),
        nonce: randomUUID()
      },
      contextOf(binding)
    )
    binding.exchange.suspend({ resultType: 'input_required', inputRequests, requestState })
  }
}

function own<T> (record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

function recordsOf (value: unknown): Given['responses'] {
  if (value === undefined) return {}
  if (!isRecord(value) || !Object.values(value).every(isRecord)) {
    throw new InvalidParamsError({ reason: 'inputResponses is not an object of objects' })
  }
  return value as Record<string, Answer>
}

/** What a state is valid for: this principal and this request. */
interface Binding {
  readonly request: RpcRequest
  readonly exchange: Exchange
}

/** The codec passes its context to `bind` and does not use it otherwise. */
function contextOf (binding: Binding): ServerContext {
  return binding as unknown as ServerContext
}

function boundTo (context: ServerContext): string {
  const { request: { method, params = {} }, exchange: { caller } } = context as unknown as Binding
  const { name, uri, arguments: args } = params
  return canonicalJson([caller.principal.id, method, name, uri, args])
}
