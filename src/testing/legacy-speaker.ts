/** The test client of revision 2025-11-25. */
import { isRecord } from '../lib/guards.js'
import { type JsonObject, postMessage, send } from './inject-mcp.js'
import { maxQuestions, Speaker, type TestNotification } from './speaker.js'
import { resultOf } from './test-client-error.js'

const legacyRevision = '2025-11-25'

/** Sends `initialize` first. Within a session, answers questions in the stream of the call. */
export class LegacySpeaker extends Speaker {
  #opened: Promise<Record<string, string>> | undefined

  async request (
    method: string,
    params: JsonObject,
    meta: JsonObject = {},
    heard: TestNotification[] = []
  ): Promise<JsonObject> {
    const headers = await (this.#opened ??= this.#open())
    const all = Object.keys(meta).length === 0 ? params : { ...params, _meta: meta }
    return await this.#send({ jsonrpc: '2.0', id: this.nextId(), method, params: all }, headers, heard)
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

  async #send (message: JsonObject, headers: Record<string, string>, heard: TestNotification[]): Promise<JsonObject> {
    let fault: unknown
    let questions = 0
    const outcome = await postMessage(this.target, message, headers, said => {
      if (!('id' in said)) return this.hear(said, heard)
      const isTooMany = ++questions > maxQuestions
      const refusal = isTooMany ? `${String(message.method)} asked more than ${maxQuestions} times` : undefined
      this.#answer(said, headers, refusal).catch((error: unknown) => { fault = error })
    })
    if (fault !== undefined) throw fault
    return resultOf(outcome)
  }

  async #answer ({ id, method, params }: JsonObject, headers: Record<string, string>, refusal?: string): Promise<void> {
    const answer = async (body: JsonObject): Promise<void> => {
      await postMessage(this.target, { jsonrpc: '2.0', id, ...body }, headers, () => {})
    }
    try {
      if (refusal !== undefined) throw new Error(refusal)
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
