/** What the test clients of both eras have in common: the caller, and the answers to what the endpoint asks. */
import type { FastifyInstance } from 'fastify'
import { isRecord } from '../lib/guards.js'
import type { Endpoint } from '../mcp/endpoint.js'
import { endpointsAt } from '../mcp/served.js'
import { freezePrincipal } from '../principal/principal.js'
import type { TestClientOptions } from './client-options.js'
import type { Json, Target } from './inject-mcp.js'

/** What a stream said before the answer. */
export interface TestNotification {
  readonly method: string
  readonly params: Json
}

export abstract class Speaker {
  readonly notifications: TestNotification[] = []
  readonly target: Target
  readonly options: TestClientOptions
  #lastId = 0

  constructor (app: FastifyInstance, options: TestClientOptions) {
    const { url = '/mcp', key, token, principal, headers } = options
    if ([key, token, principal].filter(one => one !== undefined).length > 1) {
      throw new TypeError('createTestClient: pass only one of key, token and principal')
    }
    this.options = options
    this.target = {
      app,
      url,
      headers: {
        ...headers,
        ...(key === undefined ? {} : { 'x-api-key': key }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` })
      },
      principal:
        principal === undefined
          ? undefined
          : freezePrincipal({ role: 'user', scopes: [], method: 'api-key', ...principal })
    }
  }

  abstract request (method: string, params: Json, meta?: Json): Promise<Json>

  async close (): Promise<void> {}

  get clientInfo (): Json {
    return { ...this.options.clientInfo ?? { name: 'fastify-mcp-auth-test-client', version: '1' } }
  }

  get capabilities (): Json {
    const { onElicit, onSample, roots } = this.options
    return {
      ...(onElicit === undefined ? {} : { elicitation: { form: {}, url: {} } }),
      ...(onSample === undefined ? {} : { sampling: { tools: {}, context: {} } }),
      ...(roots === undefined ? {} : { roots: {} })
    }
  }

  /** The endpoints at the path of this client. Throws if there is none. */
  endpoints (): readonly Endpoint[] {
    const { app, url } = this.target
    const endpoints = endpointsAt(app.server, url)
    if (endpoints.length === 0) throw new Error(`createTestClient: the app has no endpoint at ${url}; set \`url\``)
    return endpoints
  }

  nextId (): number {
    return ++this.#lastId
  }

  hear ({ method, params }: Json): void {
    this.notifications.push({ method: String(method), params: isRecord(params) ? params : {} })
  }

  /** The answer of the person, the model or the workspace. */
  async answerTo (method: unknown, params: Json): Promise<Json> {
    const { onElicit, onSample, roots } = this.options
    if (method === 'elicitation/create' && onElicit !== undefined) {
      const { message, requestedSchema, url } = params
      return {
        ...(await onElicit({
          message: String(message),
          ...(isRecord(requestedSchema) ? { schema: requestedSchema } : {}),
          ...(typeof url === 'string' ? { url } : {})
        }))
      }
    }
    if (method === 'sampling/createMessage' && onSample !== undefined) return { ...await onSample(params) }
    if (method === 'roots/list' && roots !== undefined) return { roots: [...roots] }
    throw new Error(
      `The endpoint sent ${String(method)}, which the test client cannot answer: pass onElicit, onSample or roots`
    )
  }
}
