/** Reads the file of `UPSTREAMS_FILE`. */
import { readSettingFile, unreadable } from '../lib/setting-file-error.js'
import { readUpstreams, UpstreamError, type UpstreamsOptions } from './options.js'

/** Throws an `UpstreamError` if the file cannot be read, is not JSON, or contains an invalid upstream. */
export function readUpstreamsFile (
  path: string,
  environment: Readonly<Record<string, string | undefined>>
): Pick<UpstreamsOptions, 'mcpServers' | 'environment'> {
  let text: string
  try {
    text = readSettingFile(path)
  } catch (error) {
    throw new UpstreamError(...unreadable(error))
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
