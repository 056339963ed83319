/** The file of upstreams that a setting names. */
import { readFileSync } from 'node:fs'
import { codeOf } from '../lib/guards.js'
import { readUpstreams, UpstreamError, type UpstreamsOptions } from './options.js'

/** Throws an `UpstreamError` where the file cannot be read, is no JSON, or holds an upstream that cannot be used. */
export function readUpstreamsFile (
  path: string,
  environment: Readonly<Record<string, string | undefined>>
): Pick<UpstreamsOptions, 'mcpServers' | 'environment'> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UpstreamError(`names a file that cannot be read (${codeOf(error)})`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UpstreamError('names a file that is not JSON')
  }
  readUpstreams(value, environment)
  return { ...(value as UpstreamsOptions), environment }
}
