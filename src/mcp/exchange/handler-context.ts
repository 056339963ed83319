/** The context of a handler: a view of its exchange. */
import { randomUUID } from 'node:crypto'
import { PublicToolError } from '../../errors.js'
import type {
  ElicitAnswer,
  FormRequest,
  SampleAnswer,
  ToolSampleAnswer,
  UrlRequest
} from '../../tools/client-requests.js'
import type { CompletionContext } from '../../tools/resource.js'
import type { CallContext } from '../../tools/call-context.js'
import type { Schema } from '../../tools/content.js'
import { formSchemaOf } from '../schemas/form.js'
import { type QuestionMethod, checkedAnswer } from './client-answers.js'
import type { Exchange } from './exchange.js'

/** How long a handler waits for an answer of its caller, in milliseconds. */
export const askLimitMs = 10 * 60_000

/** The tool functions of a handler's context. */
export interface ToolAccess {
  /** The names of the tools that the caller may call. */
  readonly tools: () => readonly string[]
  readonly call: CallContext['call']
}

/** Used if there are no tools. */
export const noTools: ToolAccess = {
  tools: () => [],
  call: async name => { throw new PublicToolError(`There is no tool ${name} here`) }
}

/** The tool functions for the handlers of an exchange. */
export type AccessOf = (exchange: Exchange) => ToolAccess

export function createContext (exchange: Exchange, access: ToolAccess): CallContext {
  return new ExchangeContext(exchange, access)
}

/** `given`: the values that the caller has already filled in. */
export function createCompletionContext (
  exchange: Exchange,
  access: ToolAccess,
  given: Readonly<Record<string, string>>
): CompletionContext {
  return new ExchangeCompletionContext(exchange, access, given)
}

/**
 * Methods do not depend on `this`, so that a handler may destructure them, and are created on
 * first use: most handlers use one or two of them.
 */
class ExchangeContext implements CallContext {
  readonly #access: ToolAccess
  readonly #exchange: Exchange

  constructor (exchange: Exchange, access: ToolAccess) {
    this.#exchange = exchange
    this.#access = access
  }

  get tools (): CallContext['tools'] { return this.#access.tools }
  get call (): CallContext['call'] { return this.#access.call }

  get principal (): CallContext['principal'] { return this.#exchange.caller.principal }
  get requestId (): string { return this.#exchange.caller.requestId }
  get signal (): AbortSignal { return this.#exchange.signal }
  get logger (): CallContext['logger'] { return this.#exchange.caller.logger ?? silentLogger }
  get request (): CallContext['request'] { return this.#exchange.caller.request ?? inProcess }
  get app (): CallContext['app'] { return this.#exchange.app }

  get answered (): readonly string[] { return this.#exchange.answered }

  get budget (): CallContext['budget'] {
    const { caller } = this.#exchange
    return () => caller.budget()
  }

  get traceHeaders (): CallContext['traceHeaders'] {
    const { span } = this.#exchange
    return () => span?.headers() ?? {}
  }

  get closeStream (): CallContext['closeStream'] {
    const exchange = this.#exchange
    return () => { if (!exchange.ended) exchange.closeStream() }
  }

  get log (): CallContext['log'] {
    const exchange = this.#exchange
    return (level, data, logger) =>
      notify(exchange, 'notifications/message', { level, data, ...(logger === undefined ? {} : { logger }) })
  }

  get progress (): CallContext['progress'] {
    const exchange = this.#exchange
    return (progress, total, message) => {
      const { progressToken } = exchange
      if (progressToken === undefined) return Promise.resolve()
      return notify(exchange, 'notifications/progress', {
        progressToken,
        progress,
        ...(total === undefined ? {} : { total }),
        ...(message === undefined ? {} : { message })
      })
    }
  }

  get elicit (): CallContext['elicit'] {
    const exchange = this.#exchange
    const elicit = (request: FormRequest | UrlRequest, key?: string): Promise<ElicitAnswer> => {
      const { message } = request
      if ('url' in request) {
        return ask(
          exchange,
          'elicitation/create',
          { mode: 'url', message, url: request.url, elicitationId: randomUUID() },
          key
        ) as Promise<unknown> as Promise<ElicitAnswer>
      }
      const { schema } = request
      const asked = ask(
        exchange,
        'elicitation/create',
        () => ({ message, requestedSchema: formSchemaOf(schema) }),
        key,
        schema
      )
      return asked as Promise<unknown> as Promise<ElicitAnswer>
    }
    return elicit as CallContext['elicit']
  }

  get sample (): CallContext['sample'] {
    const exchange = this.#exchange
    return (request, key) =>
      ask(exchange, 'sampling/createMessage', { ...request }, key) as Promise<unknown> as Promise<
        SampleAnswer & ToolSampleAnswer
      >
  }

  get roots (): CallContext['roots'] {
    const exchange = this.#exchange
    return key =>
      forLater(
        ask(exchange, 'roots/list', {}, key).then(
          ({ roots }) => roots as Array<{ uri: string; name?: string }>
        )
      )
  }
}

const inProcess: CallContext['request'] = Object.freeze({
  address: '',
  headers: Object.freeze({}),
  sessionId: undefined,
  client: undefined,
  era: undefined
})

const drop = (): void => {}
const silentLogger: CallContext['logger'] = {
  trace: drop,
  debug: drop,
  info: drop,
  warn: drop,
  error: drop,
  fatal: drop,
  child: () => silentLogger
}

class ExchangeCompletionContext extends ExchangeContext implements CompletionContext {
  readonly arguments: Readonly<Record<string, string>>

  constructor (exchange: Exchange, access: ToolAccess, given: Readonly<Record<string, string>>) {
    super(exchange, access)
    this.arguments = given
  }
}

/** Rejects if the data is not valid JSON. Never an unhandled rejection, because few handlers await it. */
function notify (exchange: Exchange, method: string, params: Record<string, unknown>): Promise<void> {
  if (exchange.ended) return Promise.resolve()
  return forLater(exchange.notify(method, params))
}

/** Returns `work`, whose rejection is not an unhandled one if the handler never awaits it. */
function forLater<T> (work: Promise<T>): Promise<T> {
  work.catch(() => {})
  return work
}

type Params = Record<string, unknown>

/** `form`: the zod schema of an answer, if there is one. */
function ask (
  exchange: Exchange,
  method: QuestionMethod,
  params: Params | (() => Params),
  key: string | undefined,
  form?: Schema
): Promise<Params> {
  const isLate = exchange.ended
  const answer = answerTo(exchange, method, params, key, form)
  if (isLate) return forLater(answer)
  return forLater(
    answer.catch((error: unknown) => {
      // Nobody awaits the answer of a call that has ended, so its rejection must not end the process.
      if (exchange.ended && exchange.refusal === undefined) return new Promise<never>(() => {})
      throw error
    })
  )
}

async function answerTo (
  exchange: Exchange,
  method: QuestionMethod,
  given: Params | (() => Params),
  key: string | undefined,
  form: Schema | undefined
): Promise<Params> {
  if (exchange.ask === undefined || exchange.ended) { throw new PublicToolError('This caller cannot be asked here') }
  const params = typeof given === 'function' ? given() : given
  const answer = await exchange.whileAsking(askLimitMs, exchange.ask(method, params, key))
  return await checkedAnswer(method, params, answer, form)
}
