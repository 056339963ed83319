/** Reads the response of a server: its JSON, its error code, its headers. */
import { type DoctorAnswer, isEventStream } from './request.js'

/** Returns the body as a JSON object. `undefined` if it is not one. */
export function jsonOf ({ body }: Pick<DoctorAnswer, 'body'>): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** Returns the JSON-RPC response in a JSON body or an event stream. `undefined` if there is none. */
export function messageIn (answer: Pick<DoctorAnswer, 'headers' | 'body'>): Record<string, unknown> | undefined {
  const texts = isEventStream(answer.headers)
    ? answer.body.split(/\r?\n/).filter(line => line.startsWith('data:')).map(line => line.slice(5))
    : [answer.body]
  return texts
    .map(body => jsonOf({ body }))
    .find(message => message?.jsonrpc === '2.0' && ('result' in message || 'error' in message))
}

/** Returns the `MCP_ERR_…` code of an error of this package, in a JSON-RPC or a plain response. */
export function codeIn (answer: Pick<DoctorAnswer, 'body'>): string | undefined {
  const body = jsonOf(answer)
  const { data } = (body?.error ?? {}) as { data?: { code?: unknown } }
  const code = data?.code ?? body?.code
  return typeof code === 'string' && code.startsWith('MCP_ERR_') ? code : undefined
}

export function isHtml ({ headers, body }: Pick<DoctorAnswer, 'headers' | 'body'>): boolean {
  return /text\/html/i.test(headers['content-type'] ?? '') || /^\s*<(!doctype|html)/i.test(body)
}

export function header ({ headers }: Pick<DoctorAnswer, 'headers'>, name: string): string {
  return [headers[name] ?? ''].flat().join(', ')
}
