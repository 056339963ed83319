/** Routes questions of an upstream to the right caller. */
import type { Client } from '@modelcontextprotocol/client'
import { PublicToolError } from '../errors.js'
import { isRecord } from '../lib/guards.js'
import type { CallContext, LogLevel } from '../tools/call-context.js'

type Params = Record<string, unknown>

/** A call under way on the connection. */
export interface Speaker {
  readonly principalId: string
  /** Questions to it that are not answered yet. */
  readonly pending: () => number
  /** Rejects with a `CallOverError` where the call ends before there is an answer. */
  readonly ask: (method: string, params: Params) => Promise<Params>
  readonly log: CallContext['log']
}

/** The call that a question was put to ended without an answer to it. */
export class CallOverError extends Error {
  override readonly name = 'CallOverError'
}

/**
 * In the 2025 revisions a question does not say to which call it belongs. It goes to the caller whose calls are under
 * way where that is one alone, and is refused otherwise: a question, and the answer, must not reach another caller.
 */
export class Questions {
  readonly #speakers = new Set<Speaker>()
  readonly #passesRoots: boolean

  constructor (passesRoots: boolean) {
    this.#passesRoots = passesRoots
  }

  /** Answers what the upstream asks by `client`. */
  answer (client: Client): void {
    const by = (method: string) => async ({ params }: { params?: unknown }) =>
      (await this.ask(method, isRecord(params) ? params : {})) as never
    client.setRequestHandler('elicitation/create', by('elicitation/create'))
    client.setRequestHandler('sampling/createMessage', by('sampling/createMessage'))
    if (this.#passesRoots) client.setRequestHandler('roots/list', by('roots/list'))
  }

  /** Lets questions go to the caller of this call until the returned function is called. */
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
        // It was another call of the same caller that asked.
        if (!(error instanceof CallOverError)) throw error
        this.#speakers.delete(speaker)
      }
    }
  }

  /** Passes what the upstream logs to the caller whose calls are under way; dropped where that is not one alone. */
  log ({ level, data, logger }: Params): void {
    const [speaker] = this.#speakers
    if (speaker === undefined || !this.#isOne(speaker)) return
    speaker.log(level as LogLevel, data, typeof logger === 'string' ? logger : undefined).catch(() => {})
  }

  /** One caller may have several calls: the first that is not asked anything yet is the likeliest. */
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

/** Asks the caller of `context`. `key` names the question from round to round in revision 2026-07-28. */
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
    default: throw new PublicToolError('The upstream server asked for something unknown')
  }
}
