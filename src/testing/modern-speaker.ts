/** The test client of revision 2026-07-28. */
import { isRecord } from '../lib/guards.js'
import { type JsonObject, postMessage } from './inject-mcp.js'
import { askedHeaders, modernHeaders, modernMeta } from './modern-envelope.js'
import { maxQuestions, Speaker, type TestNotification } from './speaker.js'
import { resultOf } from './test-client-error.js'

/** Requests are independent. A call that asks questions is sent again with the answers. */
export class ModernSpeaker extends Speaker {
  async request (
    method: string,
    params: JsonObject,
    meta: JsonObject = {},
    heard: TestNotification[] = []
  ): Promise<JsonObject> {
    let more: JsonObject = {}
    for (let round = 0; round < maxQuestions; round++) {
      const result = await this.#send(method, {
        ...params,
        ...more,
        _meta: { ...modernMeta(this.clientInfo, this.capabilities), ...meta }
      }, heard)
      if (result.resultType !== 'input_required') return result
      more = { requestState: result.requestState, inputResponses: await this.#answers(result.inputRequests) }
    }
    throw new Error(`${method} asked more than ${maxQuestions} times`)
  }

  async #send (
    method: string,
    params: JsonObject,
    heard: TestNotification[],
    headers: Record<string, string> = {}
  ): Promise<JsonObject> {
    const message = { jsonrpc: '2.0', id: this.nextId(), method, params }
    const outcome = await postMessage(
      this.target,
      message,
      { ...modernHeaders(method, params), ...headers },
      said => {
        this.hear(said, heard)
      }
    )
    const { answer } = outcome
    const refusal = isRecord(answer?.error) && isRecord(answer.error.data) ? answer.error.data : {}
    // A tool's schema may require some arguments in headers as well.
    if (
      method !== 'tools/call' ||
      refusal.code !== 'MCP_ERR_HEADER_MISMATCH' ||
      Object.keys(headers).length > 0
    ) { return resultOf(outcome) }
    const { tools } = await this.request('tools/list', {})
    const wanted = askedHeaders(tools, params)
    return Object.keys(wanted).length === 0 ? resultOf(outcome) : await this.#send(method, params, heard, wanted)
  }

  async #answers (requests: unknown): Promise<JsonObject> {
    const asked = Object.entries(isRecord(requests) ? requests : {})
    const answers = await Promise.all(asked.map(async ([key, request]) => {
      const { method, params } = isRecord(request) ? request : {}
      return [key, await this.answerTo(method, isRecord(params) ? params : {})] as const
    }))
    return Object.fromEntries(answers)
  }
}
