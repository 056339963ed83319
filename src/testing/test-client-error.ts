/** The error of a test client when a request is refused. */
import { isRecord } from '../lib/guards.js'
import type { JsonObject, TestAnswer } from './inject-mcp.js'

/** The endpoint, or a plugin in front of it, refused the request. */
export class TestClientError extends Error {
  override readonly name = 'TestClientError'
  /** The HTTP status. */
  readonly status: number
  /** `MCP_ERR_…`; `undefined` for an error that is not a refusal of this package. */
  readonly code: string | undefined
  /** `error.code` of the JSON-RPC error. */
  readonly rpcCode: number | undefined
  readonly data: JsonObject
  readonly headers: Readonly<Record<string, unknown>>

  constructor ({ status, headers, answer = {} }: TestAnswer) {
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

/** The result of an answer. Throws a `TestClientError` if there is none. */
export function resultOf (outcome: TestAnswer): JsonObject {
  const { status, answer } = outcome
  if (status >= 400 || answer === undefined || !isRecord(answer.result)) throw new TestClientError(outcome)
  return answer.result
}
