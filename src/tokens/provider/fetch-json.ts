/** Fetches a JSON document from an identity provider, of bounded size and without redirects. */
import { withoutBom } from '../../lib/without-bom.js'

/** The document could not be fetched. The message is for the log, and repeats nothing of the response. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError'
}

const maxBytes = 512 * 1024

/**
 * Returns the parsed document. Throws a `ProviderError` unless the response is a 200 with JSON of at most 512
 * KiB after decompression. The content type is not checked, because buckets and CDNs often serve key sets as
 * `text/plain`. Redirects are not followed, because their target was not configured.
 */
export async function fetchJson (url: URL, signal: AbortSignal): Promise<unknown> {
  const response = await request(url, signal)
  const problem = problemOf(response)
  if (problem !== undefined) {
    await response.body?.cancel().catch(() => {})
    throw new ProviderError(problem)
  }
  const text = await readText(response, signal)
  try {
    return JSON.parse(withoutBom(text))
  } catch {
    throw new ProviderError('its answer is not JSON')
  }
}

async function request (url: URL, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, {
      signal,
      redirect: 'manual',
      credentials: 'omit',
      headers: { accept: 'application/json, application/jwk-set+json' }
    })
  } catch (cause) {
    throw new ProviderError(signal.aborted ? 'it did not answer in time' : 'it cannot be reached', { cause })
  }
}

function problemOf ({ status, headers }: Response): string | undefined {
  if (status !== 200) return `it answered ${status}`
  if (Number(headers.get('content-length') ?? 0) > maxBytes) return 'its answer is too large'
}

/** Counts decompressed bytes, because a small response may unpack to gigabytes. */
async function readText ({ body }: Response, signal: AbortSignal): Promise<string> {
  if (body === null) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.byteLength
      // Leaving the loop cancels the body and closes the connection.
      if (size > maxBytes) throw new ProviderError('its answer is too large')
      chunks.push(chunk)
    }
  } catch (cause) {
    if (cause instanceof ProviderError) throw cause
    throw new ProviderError(signal.aborted ? 'it did not answer in time' : 'its answer was cut off', { cause })
  }
  return Buffer.concat(chunks).toString('utf8')
}
