/** The parts of a request that handlers can see. */
import { holdsWholeCredential } from '../../principal/credential-forms.js'
import type { CallRequest } from '../../tools/app-context.js'
import { clientInfoOf } from '../../mcp/wire/log-fields.js'

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

/** The client's self-reported name and version; `undefined` unless it reports both. */
export function clientIn (body: unknown): CallRequest['client'] {
  const { name, version } = clientInfoOf(body) ?? {}
  return name === undefined || typeof version !== 'string' ? undefined : Object.freeze({ name, version })
}
