/** How a test client tells that the endpoint said no. */
import { isRecord } from '../lib/guards.js'
import type { Json, Outcome } from './inject-mcp.js'

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

/** The result of an answer. Throws a `TestClientError` where there is none. */
export function resultOf (outcome: Outcome): Json {
  const { status, answer } = outcome
  if (status >= 400 || answer === undefined || !isRecord(answer.result)) throw new TestClientError(outcome)
  return answer.result
}
