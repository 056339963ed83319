/** Fetches a JSON document of an identity provider: bounded size, no redirects. */

/** The document could not be had. The message is for the log: constants and numbers, nothing of the answer. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError'
}

const maxBytes = 512 * 1024

/**
 * The parsed document. Throws a `ProviderError` on every other answer than 200 with JSON of at most
 * 512 KiB after decompression. What type it is declared as does not matter: buckets and CDNs that serve
 * key sets know no better than `text/plain`. A redirect is not followed, because where it leads was not configured.
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
    // A file on a Windows server may begin with a byte order mark (RFC 8259 §8.1).
    return JSON.parse(text.replace(/^\uFEFF/, ''))
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

/** Counts what comes out of the decompression: a small answer may unpack to gigabytes. */
async function readText ({ body }: Response, signal: AbortSignal): Promise<string> {
  if (body === null) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.byteLength
      // Leaving the loop cancels the body, and with it the connection.
      if (size > maxBytes) throw new ProviderError('its answer is too large')
      chunks.push(chunk)
    }
  } catch (cause) {
    if (cause instanceof ProviderError) throw cause
    throw new ProviderError(signal.aborted ? 'it did not answer in time' : 'its answer was cut off', { cause })
  }
  return Buffer.concat(chunks).toString('utf8')
}
