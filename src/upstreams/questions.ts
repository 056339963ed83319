/** Routes questions of an upstream to the caller that they are for. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Client } from '@modelcontextprotocol/client'
import { PublicToolError } from '../errors.js'
import { isRecord } from '../lib/guards.js'
import type { CallContext, LogLevel } from '../tools/call-context.js'

type Params = Record<string, unknown>

/** A running call on the connection. */
export interface CallInProgress {
  readonly principalId: string
  /** The number of unanswered questions of this call. */
  readonly pending: () => number
  /** Rejects with a `CallOverError` if the call ends before the answer arrives. */
  readonly ask: (method: string, params: Params) => Promise<Params>
  readonly log: CallContext['log']
}

/** The call ended before its caller answered the question. */
export class CallOverError extends Error {
  override readonly name = 'CallOverError'
}

export interface QuestionsOptions {
  /** Whether the upstream may ask for the caller's roots. */
  readonly passesRoots: boolean
  /** Whether each call has its own stream, as over HTTP. */
  readonly hasStreams: boolean
}

/**
 * In the 2025 revisions a question does not name its call. Over HTTP it arrives on the stream of its call. Any other
 * question goes to the caller of the running calls if they all belong to one caller. Otherwise it is refused,
 * because a question and its answer must not reach another caller.
 */
export class Questions {
  readonly #speakers = new Set<CallInProgress>()
  /** Messages from a stream are handled in the context of the call that opened it. */
  readonly #owner = new AsyncLocalStorage<CallInProgress>()
  readonly #options: QuestionsOptions

  constructor (options: QuestionsOptions) {
    this.#options = options
  }

  /** Handles the questions that the upstream sends to `client`. */
  answer (client: Client): void {
    const by = (method: string) => async ({ params }: { params?: unknown }) =>
      (await this.ask(method, isRecord(params) ? params : {})) as never
    client.setRequestHandler('elicitation/create', by('elicitation/create'))
    client.setRequestHandler('sampling/createMessage', by('sampling/createMessage'))
    if (this.#options.passesRoots) client.setRequestHandler('roots/list', by('roots/list'))
  }

  /** Registers a running call while `work` runs. */
  async during<T> (speaker: CallInProgress, work: () => Promise<T>): Promise<T> {
    this.#speakers.add(speaker)
    try {
      return await (this.#options.hasStreams ? this.#owner.run(speaker, work) : work())
    } finally {
      this.#speakers.delete(speaker)
    }
  }

  async ask (method: string, params: Params): Promise<Params> {
    const owner = this.#owner.getStore()
    if (owner !== undefined) return await owner.ask(method, params)
    // An answer that arrived before the question ends its call first.
    await new Promise(resolve => setImmediate(resolve))
    for (;;) {
      const speaker = this.#only()
      try {
        return await speaker.ask(method, params)
      } catch (error) {
        // The question was from another call of the same caller: try the next one.
        if (!(error instanceof CallOverError)) throw error
        this.#speakers.delete(speaker)
      }
    }
  }

  /** Forwards a log message to the caller of its call, found as for a question. Otherwise drops it. */
  log ({ level, data, logger }: Params): void {
    const owner = this.#owner.getStore()
    const [speaker] = owner === undefined ? this.#speakers : [owner]
    if (speaker === undefined || (owner === undefined && !this.#isOne(speaker))) return
    speaker.log(level as LogLevel, data, typeof logger === 'string' ? logger : undefined).catch(() => {})
  }

  /** Of several calls of the caller, prefers the first one without an unanswered question. */
  #only (): CallInProgress {
    const speakers = [...this.#speakers]
    const speaker = speakers.find(({ pending }) => pending() === 0) ?? speakers[0]
    if (speaker === undefined || !this.#isOne(speaker)) throw new Error('No caller can be asked')
    return speaker
  }

  #isOne ({ principalId }: CallInProgress): boolean {
    return [...this.#speakers].every(other => other.principalId === principalId)
  }
}

/** Asks the caller of `context`. In revision 2026-07-28, `key` identifies the question in later requests. */
export async function askBy (context: CallContext, method: string, params: Params, key?: string): Promise<Params> {
  switch (method) {
    case 'elicitation/create': {
      const { message, requestedSchema, url } = params
      const request =
        typeof url === 'string'
          ? { message: String(message), url }
          : { message: String(message), schema: isRecord(requestedSchema) ? requestedSchema : {} }
      return { ...await context.elicit(request as never, key) }
    }
    case 'sampling/createMessage': return { ...await context.sample(params as never, key) }
    case 'roots/list': return { roots: await context.roots(key) }
    default: throw new PublicToolError('The upstream server sent an unknown kind of request')
  }
}
