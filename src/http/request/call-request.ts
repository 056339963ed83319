/** What a handler can see of its request. */
import { holdsWholeCredential } from '../../principal/credential-forms.js'
import type { CallRequest } from '../../tools/app-context.js'
import { isRecord } from '../../lib/guards.js'

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Headers that carry credentials, ours or those of a proxy: by what people call them. */
const secretNames = /authorization|cookie|api-?key|token|secret|password|credential|session|in-process/

/** A frozen copy without credentials: by the names of headers, and by the forms that are known. */
export function headersWithoutCredentials (headers: Headers): CallRequest['headers'] {
  const shown = Object.entries(headers).filter(
    ([name, value]) =>
      !secretNames.test(name) && ![value].flat().some(one => one !== undefined && holdsWholeCredential(one))
  )
  return Object.freeze(
    Object.fromEntries(
      shown.map(([name, value]) => [name, Array.isArray(value) ? Object.freeze([...value]) : value])
    )
  )
}

/**
 * The name and version that the client of a message gives itself: in `initialize`, and with each request of
 * 2026-07-28.
 */
export function clientInfoOf (body: unknown): CallRequest['client'] {
  if (!isRecord(body) || !isRecord(body.params)) return undefined
  const { method, params: { clientInfo, _meta: meta } } = body
  const ofRequest = isRecord(meta) ? meta['io.modelcontextprotocol/clientInfo'] : undefined
  const info = method === 'initialize' ? clientInfo : ofRequest
  if (!isRecord(info) || typeof info.name !== 'string' || typeof info.version !== 'string') return undefined
  return Object.freeze({ name: info.name, version: info.version })
}
