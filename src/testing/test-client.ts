/** A client for tests: calls an app with `inject`, without a port. */
import type { FastifyInstance } from 'fastify'
import { isRecord } from '../lib/guards.js'
import { type PrincipalFields, freezePrincipal } from '../principal/principal.js'
import type { ElicitAnswer, SampleAnswer, ToolSampleAnswer } from '../tools/client-requests.js'
import type { JsonSchema, ResourceContents } from '../tools/content.js'
import type { ToolResult } from '../tools/tool.js'
import { type Json, type Outcome, type Target, postMessage, send } from './inject-mcp.js'
import { askedHeaders, modernHeaders, modernMeta } from './modern-envelope.js'

type Eventually<T> = T | Promise<T>

export interface TestClientOptions {
  /** Where the endpoint is, with the prefix of its scope. Default `/mcp`. */
  readonly url?: string
  /** An API key. One of the three; without one the client is a stranger. */
  readonly key?: string
  /** A token. */
  readonly token?: string
  /**
   * A caller without a credential: the endpoint takes this principal for verified. Role `user` and no
   * scopes where left out.
   */
  readonly principal?: Pick<PrincipalFields, 'id'> & Partial<PrincipalFields>
  /** Further headers of every request. */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * `modern` (default) is revision 2026-07-28, `legacy` is 2025-11-25, in a session where the endpoint has
   * sessions.
   */
  readonly era?: 'modern' | 'legacy'
  /** What the client calls itself. */
  readonly clientInfo?: { readonly name: string; readonly version: string }
  /** Answers for the person. Left out: there is nobody to ask. */
  readonly onElicit?: (request: {
    readonly message: string
    readonly schema?: JsonSchema
    readonly url?: string
  }) => Eventually<ElicitAnswer>
  /** Answers for the model. Left out: there is none. */
  readonly onSample?: (request: Json) => Eventually<SampleAnswer | ToolSampleAnswer>
  /** The workspace. Left out: there is none. */
  readonly roots?: ReadonlyArray<{ readonly uri: string; readonly name?: string }>
}

/** What a stream said before the answer. */
export interface TestNotification {
  readonly method: string
  readonly params: Json
}

/** A result, the text of its content, and what came before it. */
export interface TestToolResult extends ToolResult {
  readonly text: string
  readonly notifications: readonly TestNotification[]
}

export interface TestClient {
  callTool: (name: string, args?: Json) => Promise<TestToolResult>
  /** What this caller sees of the tools. */
  listTools: () => Promise<ReadonlyArray<Json & { readonly name: string }>>
  listResources: () => Promise<ReadonlyArray<Json & { readonly uri: string }>>
  listResourceTemplates: () => Promise<ReadonlyArray<Json & { readonly uriTemplate: string }>>
  readResource: (uri: string) => Promise<Json & { readonly contents: readonly ResourceContents[] }>
  listPrompts: () => Promise<ReadonlyArray<Json & { readonly name: string }>>
  getPrompt: (name: string, args?: Record<string, string>) => Promise<Json>
  /** Any other method. Resolves to its result. */
  request: (method: string, params?: Json) => Promise<Json>
  /** All that streams said so far, in order. */
  readonly notifications: readonly TestNotification[]
  /** Ends the session of the legacy era, where there is one. */
  close: () => Promise<void>
}

/** The endpoint said no, or the caller was refused before it. */
export class TestClientError extends Error {
  override readonly name = 'TestClientError'
  /** Of HTTP. */
  readonly status: number
  /** `MCP_ERR_…`; `undefined` where it is no refusal of this package. */
  readonly code: string | undefined
  /** `error.code` of JSON-RPC. */
  readonly rpcCode: number | undefined
  readonly data: Json
  readonly headers: Readonly<Record<string, unknown>>

  constructor ({ status, headers, answer = {} }: Outcome) {
    const error = isRecord(answer.error) ? answer.error : answer
    const data = isRecord(error.data) ? error.data : error
    super(`${status} ${typeof error.message === 'string' ? error.message : 'no answer'}`)
    this.status = status
    this.headers = headers
    this.data = data
    this.code = typeof data.code === 'string' ? data.code : undefined
    this.rpcCode = typeof error.code === 'number' ? error.code : undefined
  }
}

/**
 * A client for an app that is not listening. Its methods reject with a `TestClientError` where the endpoint says no.
 *
 * @example
 * const client = createTestClient(app, { key: process.env.MCP_KEY })
 * const { text } = await client.callTool('greet', { name: 'Ada' })
 */
export function createTestClient (app: FastifyInstance, options: TestClientOptions = {}): TestClient {
  const speaker = options.era === 'legacy' ? new LegacySpeaker(app, options) : new ModernSpeaker(app, options)
  const listed = (method: string, member: string) => async () => {
    const list = (await speaker.request(method, {}))[member]
    return (Array.isArray(list) ? list : []) as never
  }
  return {
    notifications: speaker.notifications,
    request: async (method, params = {}) => await speaker.request(method, params),
    listTools: listed('tools/list', 'tools'),
    listResources: listed('resources/list', 'resources'),
    listResourceTemplates: listed('resources/templates/list', 'resourceTemplates'),
    listPrompts: listed('prompts/list', 'prompts'),
    readResource: async uri => await speaker.request('resources/read', { uri }) as never,
    getPrompt: async (name, args = {}) => await speaker.request('prompts/get', { name, arguments: args }),
    callTool: async (name, args = {}) => {
      const before = speaker.notifications.length
      const result = await speaker.request('tools/call', { name, arguments: args }, { progressToken: `call-${before}` })
      return { ...result, text: textOf(result.content), notifications: speaker.notifications.slice(before) }
    },
    close: async () => { await speaker.close() }
  }
}

function textOf (content: unknown): string {
  const blocks: unknown[] = Array.isArray(content) ? content : []
  return blocks.map(block => isRecord(block) && typeof block.text === 'string' ? block.text : '').join('')
}

/** What both eras have in common: the caller, the notifications, and the answers to what the endpoint asks. */
abstract class Speaker {
  readonly notifications: TestNotification[] = []
  readonly target: Target
  readonly options: TestClientOptions
  #lastId = 0

  constructor (app: FastifyInstance, options: TestClientOptions) {
    const { url = '/mcp', key, token, principal, headers } = options
    if ([key, token, principal].filter(one => one !== undefined).length > 1) {
      throw new TypeError('createTestClient: give one of key, token and principal')
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
      `The endpoint asked for ${String(method)}, and the test client has no answer: give it onElicit, onSample or roots`
    )
  }
}

function resultOf (outcome: Outcome): Json {
  const { status, answer } = outcome
  if (status >= 400 || answer === undefined || !isRecord(answer.result)) throw new TestClientError(outcome)
  return answer.result
}

/** How often a call may ask back: more is a handler that asks for ever. */
const maxRounds = 32

/** Revision 2026-07-28: each request stands alone, and a call that asks is sent again with the answers. */
class ModernSpeaker extends Speaker {
  async request (method: string, params: Json, meta: Json = {}): Promise<Json> {
    let more: Json = {}
    for (let round = 0; round < maxRounds; round++) {
      const result = await this.#send(method, {
        ...params,
        ...more,
        _meta: { ...modernMeta(this.clientInfo, this.capabilities), ...meta }
      })
      if (result.resultType !== 'input_required') return result
      more = { requestState: result.requestState, inputResponses: await this.#answers(result.inputRequests) }
    }
    throw new Error(`${method} asked more than ${maxRounds} times`)
  }

  async #send (method: string, params: Json, headers: Record<string, string> = {}): Promise<Json> {
    const message = { jsonrpc: '2.0', id: this.nextId(), method, params }
    const outcome = await postMessage(
      this.target,
      message,
      { ...modernHeaders(method, params), ...headers },
      said => {
        this.hear(said)
      }
    )
    const { answer } = outcome
    const refusal = isRecord(answer?.error) && isRecord(answer.error.data) ? answer.error.data : {}
    // A tool may want some arguments in headers, too: its schema says which.
    if (
      method !== 'tools/call' ||
      refusal.code !== 'MCP_ERR_HEADER_MISMATCH' ||
      Object.keys(headers).length > 0
    ) { return resultOf(outcome) }
    const { tools } = await this.request('tools/list', {})
    const wanted = askedHeaders(tools, params)
    return Object.keys(wanted).length === 0 ? resultOf(outcome) : await this.#send(method, params, wanted)
  }

  async #answers (requests: unknown): Promise<Json> {
    const asked = Object.entries(isRecord(requests) ? requests : {})
    const answers = await Promise.all(asked.map(async ([key, request]) => {
      const { method, params } = isRecord(request) ? request : {}
      return [key, await this.answerTo(method, isRecord(params) ? params : {})] as const
    }))
    return Object.fromEntries(answers)
  }
}

const legacyRevision = '2025-11-25'

/** Revision 2025-11-25: `initialize` first, and questions in the stream of the call, where there is a session. */
class LegacySpeaker extends Speaker {
  #opened: Promise<Record<string, string>> | undefined

  async request (method: string, params: Json, meta: Json = {}): Promise<Json> {
    const headers = await (this.#opened ??= this.#open())
    const all = Object.keys(meta).length === 0 ? params : { ...params, _meta: meta }
    return await this.#send({ jsonrpc: '2.0', id: this.nextId(), method, params: all }, headers)
  }

  async #open (): Promise<Record<string, string>> {
    const params = { protocolVersion: legacyRevision, capabilities: this.capabilities, clientInfo: this.clientInfo }
    const outcome = await postMessage(
      this.target,
      { jsonrpc: '2.0', id: this.nextId(), method: 'initialize', params },
      {},
      () => {}
    )
    const { protocolVersion } = resultOf(outcome)
    const id = outcome.headers['mcp-session-id']
    const headers = {
      'mcp-protocol-version': String(protocolVersion),
      ...(typeof id === 'string' ? { 'mcp-session-id': id } : {})
    }
    await postMessage(this.target, { jsonrpc: '2.0', method: 'notifications/initialized' }, headers, () => {})
    return headers
  }

  async #send (message: Json, headers: Record<string, string>): Promise<Json> {
    let fault: unknown
    const outcome = await postMessage(this.target, message, headers, said => {
      if (!('id' in said)) return this.hear(said)
      this.#answer(said, headers).catch((error: unknown) => { fault = error })
    })
    if (fault !== undefined) throw fault
    return resultOf(outcome)
  }

  async #answer ({ id, method, params }: Json, headers: Record<string, string>): Promise<void> {
    const answer = async (body: Json): Promise<void> => {
      await postMessage(this.target, { jsonrpc: '2.0', id, ...body }, headers, () => {})
    }
    try {
      await answer({ result: await this.answerTo(method, isRecord(params) ? params : {}) })
    } catch (error) {
      await answer({ error: { code: -32603, message: 'the test client has no answer' } })
      throw error
    }
  }

  override async close (): Promise<void> {
    const headers = await this.#opened
    if (headers !== undefined && 'mcp-session-id' in headers) {
      await send(this.target, { method: 'DELETE', headers }, () => {})
    }
  }
}
