/** Routes questions of an upstream to the caller that they are for. */
import type { Client } from '@modelcontextprotocol/client'
import { PublicToolError } from '../errors.js'
import { isRecord } from '../lib/guards.js'
import type { CallContext, LogLevel } from '../tools/call-context.js'

type Params = Record<string, unknown>

/** A running call on the connection. */
export interface Speaker {
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

/**
 * In the 2025 revisions a question does not name its call. If all running calls belong to one caller, the
 * question goes to that caller. Otherwise it is refused, because a question and its answer must not reach
 * another caller.
 */
export class Questions {
  readonly #speakers = new Set<Speaker>()
  readonly #passesRoots: boolean

  constructor (passesRoots: boolean) {
    this.#passesRoots = passesRoots
  }

  /** Handles the questions that the upstream sends to `client`. */
  answer (client: Client): void {
    const by = (method: string) => async ({ params }: { params?: unknown }) =>
      (await this.ask(method, isRecord(params) ? params : {})) as never
    client.setRequestHandler('elicitation/create', by('elicitation/create'))
    client.setRequestHandler('sampling/createMessage', by('sampling/createMessage'))
    if (this.#passesRoots) client.setRequestHandler('roots/list', by('roots/list'))
  }

  /** Registers a running call. The returned function removes it. */
  open (speaker: Speaker): () => void {
    this.#speakers.add(speaker)
    return () => { this.#speakers.delete(speaker) }
  }

  async ask (method: string, params: Params): Promise<Params> {
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

  /** Forwards a log message if all running calls belong to one caller. Otherwise drops it. */
  log ({ level, data, logger }: Params): void {
    const [speaker] = this.#speakers
    if (speaker === undefined || !this.#isOne(speaker)) return
    speaker.log(level as LogLevel, data, typeof logger === 'string' ? logger : undefined).catch(() => {})
  }

  /** Of several calls of the caller, prefers the first one without an unanswered question. */
  #only (): Speaker {
    const speakers = [...this.#speakers]
    const speaker = speakers.find(({ pending }) => pending() === 0) ?? speakers[0]
    if (speaker === undefined || !this.#isOne(speaker)) throw new Error('No caller can be asked')
    return speaker
  }

  #isOne ({ principalId }: Speaker): boolean {
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
