/** The base class of the test clients of both eras: the caller, and answers to the endpoint's questions. */
import type { FastifyInstance } from 'fastify'
import { isRecord } from '../lib/guards.js'
import { type OptionNames, requireKeys } from '../lib/require.js'
import type { Endpoint } from '../mcp/endpoint.js'
import { endpointsAt } from '../mcp/served.js'
import { principalOf } from '../principal/principal.js'
import type { TestClientOptions } from './client-options.js'
import type { JsonObject, TestTarget } from './inject-mcp.js'

/** A notification that came before the answer. */
export interface TestNotification {
  readonly method: string
  readonly params: JsonObject
}

/** The most questions of a call. A handler with more probably asks for ever. */
export const maxQuestions = 32

const names: OptionNames<TestClientOptions> = {
  url: true,
  key: true,
  token: true,
  principal: true,
  headers: true,
  era: true,
  clientInfo: true,
  onElicit: true,
  onSample: true,
  roots: true
}

export abstract class Speaker {
  readonly notifications: TestNotification[] = []
  readonly target: TestTarget
  readonly options: TestClientOptions
  #lastId = 0

  constructor (app: FastifyInstance, options: TestClientOptions) {
    requireUsable(app, options)
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
      principal: principal === undefined ? undefined : principalOf('createTestClient', principal)
    }
  }

  /** `heard` receives the notifications of this request; `notifications` contains those of all requests. */
  abstract request (
    method: string,
    params: JsonObject,
    meta?: JsonObject,
    heard?: TestNotification[]
  ): Promise<JsonObject>

  async close (): Promise<void> {}

  get clientInfo (): JsonObject {
    return { ...this.options.clientInfo ?? { name: 'fastify-mcp-auth-test-client', version: '1' } }
  }

  get capabilities (): JsonObject {
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

  hear ({ method, params }: JsonObject, heard: TestNotification[]): void {
    const notification = { method: String(method), params: isRecord(params) ? params : {} }
    this.notifications.push(notification)
    heard.push(notification)
  }

  /** The answer of the user, the model or the workspace. */
  async answerTo (method: unknown, params: JsonObject): Promise<JsonObject> {
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

/** Validates the arguments: otherwise a test would fail later, far from the mistake. */
function requireUsable (app: unknown, options: TestClientOptions): void {
  if (typeof (app as Partial<FastifyInstance> | undefined)?.inject !== 'function') {
    throw new TypeError('createTestClient: the first argument must be a Fastify app')
  }
  const { era = 'modern' } = options
  requireKeys('createTestClient', options, names)
  if (era !== 'modern' && era !== 'legacy') throw new TypeError('createTestClient: era must be modern or legacy')
}
