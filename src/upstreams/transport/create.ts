/** Creates the transport to an upstream from its options. */
import { SSEClientTransport } from '@modelcontextprotocol/client'
import { boundedFetch } from './bounded-fetch.js'
import { HttpTransport, type HttpTransportOptions } from './http-transport.js'
import { digestOfCaller, headerValueOf } from './identity.js'
import { callerMark } from './interpolation.js'
import { passedOn } from './process-environment.js'
import { ProcessTransport } from './process-transport.js'
import type { TransportSettings } from './settings.js'

/** Allowance for the JSON-RPC message around a result. */
const envelopeBytes = 64 * 1024

export interface TransportEvents extends Pick<HttpTransportOptions, 'reopened' | 'forgotten'> {
  /** Called for each line on the standard error of a process. */
  readonly line: (line: string) => void
}

/** `identity`: the id of the principal, if the connection belongs to a single one. */
export function createTransport (
  settings: TransportSettings,
  maxResultBytes: number,
  identity: string | undefined,
  { line, ...events }: TransportEvents
): ProcessTransport | HttpTransport | SSEClientTransport {
  const maxBytes = maxResultBytes + envelopeBytes
  if (settings.type === 'stdio') return processFor(settings, identity, maxBytes, line)
  const { type, url = '', headers: given = {}, identityHeader } = settings
  const headers =
    identityHeader === undefined || identity === undefined
      ? given
      : { ...given, [identityHeader]: headerValueOf(identity) }
  if (type === 'http') return new HttpTransport({ url, headers, maxBytes, ...events })
  return new SSEClientTransport(new URL(url), {
    requestInit: { headers, redirect: 'error' },
    fetch: boundedFetch(maxBytes)
  })
}

function processFor (
  { command = '', args = [], cwd, env = {} }: TransportSettings,
  identity: string | undefined,
  maxMessageBytes: number,
  line: (line: string) => void
): ProcessTransport {
  const caller = identity === undefined ? 'nobody' : digestOfCaller(identity)
  const fill = (text: string): string => text.replaceAll(callerMark, caller)
  return new ProcessTransport({
    command,
    args: args.map(fill),
    env: { ...passedOn(), ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, fill(value)])) },
    cwd: cwd === undefined ? undefined : fill(cwd),
    maxMessageBytes,
    line
  })
}
