/** The parts of a request that handlers can see. */
import { holdsWholeCredential } from '../../principal/credential-forms.js'
import type { CallRequest } from '../../tools/app-context.js'
import { isRecord } from '../../lib/guards.js'

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Names of headers that carry credentials, for this server or for a proxy. */
const secretNames = /authorization|cookie|api-?key|token|secret|password|credential|session|in-process/

/** A frozen copy without headers that carry credentials, recognized by their names and by their values. */
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
 * The client's self-reported name and version: from `initialize`, or from a request of revision 2026-07-28.
 */
export function clientInfoOf (body: unknown): CallRequest['client'] {
  if (!isRecord(body) || !isRecord(body.params)) return undefined
  const { method, params: { clientInfo, _meta: meta } } = body
  const ofRequest = isRecord(meta) ? meta['io.modelcontextprotocol/clientInfo'] : undefined
  const info = method === 'initialize' ? clientInfo : ofRequest
  if (!isRecord(info) || typeof info.name !== 'string' || typeof info.version !== 'string') return undefined
  return Object.freeze({ name: info.name, version: info.version })
}
