/** Questions of an upstream, and to which caller each of them goes. */
import type { Client } from '@modelcontextprotocol/client'
import { PublicToolError } from '../errors.js'
import { isRecord } from '../lib/guards.js'
import type { CallContext, LogLevel } from '../tools/call-context.js'

type Params = Record<string, unknown>

/** A call under way on the connection. */
export interface Speaker {
  readonly principalId: string
  readonly ask: (method: string, params: Params) => Promise<Params>
  readonly log: CallContext['log']
}

/**
 * In the 2025 revisions a question does not say to which call it belongs. It goes to the caller whose calls
 * are under way
 * where that is one alone, and is refused otherwise: a question, and the answer, must not reach another caller.
 */
export class Questions {
  readonly #speakers = new Set<Speaker>()

  constructor (client: Client, passesRoots: boolean) {
    client.setRequestHandler(
      'elicitation/create',
      async ({ params }) => (await this.ask('elicitation/create', params)) as never
    )
    client.setRequestHandler(
      'sampling/createMessage',
      async ({ params }) => (await this.ask('sampling/createMessage', params)) as never
    )
    if (passesRoots) client.setRequestHandler('roots/list', async () => await this.ask('roots/list', {}) as never)
  }

  /** Lets questions go to the caller of this call until the returned function is called. */
  open (speaker: Speaker): () => void {
    this.#speakers.add(speaker)
    return () => { this.#speakers.delete(speaker) }
  }

  async ask (method: string, params: Params): Promise<Params> {
    return await this.#only().ask(method, params)
  }

  /** Passes what the upstream logs to the caller whose calls are under way; dropped where that is not one alone. */
  log ({ level, data, logger }: Params): void {
    const [speaker] = this.#speakers
    if (speaker === undefined || !this.#isOne(speaker)) return
    speaker.log(level as LogLevel, data, typeof logger === 'string' ? logger : undefined).catch(() => {})
  }

  #only (): Speaker {
    const speaker = [...this.#speakers].at(-1)
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
    default: throw new PublicToolError('The server behind this tool asked for something unknown')
  }
}
