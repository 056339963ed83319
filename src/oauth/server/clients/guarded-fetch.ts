/** Fetches a small JSON document from a URL that a client chose, protected against SSRF. */
import { lookup as resolveName, type LookupAddress } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { withoutBom } from '../../../lib/without-bom.js'
import { isPublicAddress } from '../../../net/public-address.js'

export interface FetchedDocument {
  /** Parsed JSON. */
  readonly json: unknown
  /** `max-age` of the response in seconds. `undefined` if it has none. */
  readonly maxAgeSeconds: number | undefined
}

export interface FetchLimits {
  readonly maxBytes: number
  /** Covers everything from the name lookup to the last byte. */
  readonly timeoutMs: number
}

/** Rejects with a `DocumentFetchError`. */
export type DocumentFetcher = (url: URL, limits: FetchLimits) => Promise<FetchedDocument>

/** The document could not be fetched. The message is a constant for the log. */
export class DocumentFetchError extends Error {
  override readonly name = 'DocumentFetchError'
  /** True if the host answered 404 or 410: the document was withdrawn. */
  readonly isGone: boolean

  constructor (
    message: string,
    { isGone = false, cause }: { readonly isGone?: boolean; readonly cause?: unknown } = {}
  ) {
    super(message, { cause })
    this.isGone = isGone
  }
}

export interface GuardedFetchOptions {
  /** Returns true for addresses that may be connected to. Default: public addresses. */
  readonly isAllowed?: (address: string) => boolean
  /** Resolves host names. Default: the resolver of the system. */
  readonly resolve?: (
    hostname: string,
    callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void
  ) => void
  /** CA certificates in PEM that replace the default ones. */
  readonly ca?: string | undefined
}

const jsonType = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i

/** Only over https, only from public addresses, and with limits on size and time (SSRF). */
export function createGuardedFetch (options: GuardedFetchOptions = {}): DocumentFetcher {
  const {
    isAllowed = isPublicAddress,
    resolve = (hostname, callback) => {
      resolveName(hostname, { all: true }, callback)
    },
    ca
  } = options

  /** Called by the socket itself, so the checked address is the one that is used (DNS rebinding). */
  const lookup: LookupFunction = (hostname, { all }, callback) => {
    resolve(hostname, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const refused = addresses.length === 0 || addresses.some(({ address }) => !isAllowed(address))
      if (refused) return callback(new DocumentFetchError('its host is not on the public internet'), '')
      if (all === true) return callback(null, addresses)
      callback(null, addresses[0]?.address ?? '', addresses[0]?.family)
    })
  }

  return async (url, { maxBytes, timeoutMs }) => {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    // `lookup` is not called for a literal address.
    if (isIP(host) !== 0 && !isAllowed(host)) throw new DocumentFetchError('its host is not on the public internet')
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'fastify-mcp-auth' }
        request(url, { lookup, signal, agent: false, headers, ...(ca === undefined ? {} : { ca }) }, resolve)
          .on('error', reject)
          .end()
      })
      return await read(response, maxBytes)
    } catch (error) {
      if (error instanceof DocumentFetchError) throw error
      throw new DocumentFetchError(signal.aborted ? 'it did not answer in time' : 'it cannot be reached', {
        cause: error
      })
    }
  }
}

async function read (response: IncomingMessage, maxBytes: number): Promise<FetchedDocument> {
  try {
    const { statusCode = 0, headers } = response
    if (statusCode === 404 || statusCode === 410) {
      throw new DocumentFetchError(`it answered ${statusCode}`, { isGone: true })
    }
    // Redirects are refused, too: their target was not checked.
    if (statusCode !== 200) throw new DocumentFetchError(`it answered ${statusCode}`)
    if (!jsonType.test(headers['content-type'] ?? '')) {
      throw new DocumentFetchError('its answer is not declared as JSON')
    }
    if (!/^(?:identity)?$/.test(headers['content-encoding'] ?? '')) {
      throw new DocumentFetchError('its answer is compressed')
    }
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of response) {
      size += chunk.length
      if (size > maxBytes) throw new DocumentFetchError(`its answer is larger than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
    return { json: parse(Buffer.concat(chunks).toString('utf8')), maxAgeSeconds: maxAgeOf(headers['cache-control']) }
  } finally {
    response.destroy()
  }
}

function parse (text: string): unknown {
  try {
    return JSON.parse(withoutBom(text))
  } catch {
    throw new DocumentFetchError('its answer is not JSON')
  }
}

/** RFC 9111 §5.2.2; `no-store` and `no-cache` are 0. */
function maxAgeOf (cacheControl = ''): number | undefined {
  if (/\bno-(?:store|cache)\b/i.test(cacheControl)) return 0
  const [, seconds] = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(cacheControl) ?? []
  return seconds === undefined ? undefined : Number(seconds)
}
