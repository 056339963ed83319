/** Serves the client documents of well-known hosts under their real names on this machine. */
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { Test } from 'tap'
import { createGuardedFetch, type DocumentFetcher } from '../../src/oauth/server/clients/guarded-fetch.js'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface RehostedDocuments {
  readonly fetchDocument: DocumentFetcher
  /** The requested URLs, in order. */
  readonly requests: string[]
  /** Replaces the answer at a URL with JSON or with a function. */
  readonly answer: (url: string, answer: object | Answer) => void
}

/**
 * Starts a server with a certificate for the hosts, closed at the test's end. `fetchDocument` is the real
 * fetcher, directed to this server. It uses `timeoutMs` instead of the configured timeout, so that no test
 * depends on the machine's speed.
 */
export async function rehosted (
  t: Pick<Test, 'teardown'>,
  { timeoutMs = 120_000 }: { readonly timeoutMs?: number } = {}
): Promise<RehostedDocuments> {
  const requests: string[] = []
  const answers = new Map<string, Answer>()
  const server = createServer({ key: testKey, cert: certificate }, (request, response) => {
    const url = `https://${request.headers.host?.replace(/:\d+$/, '')}${request.url}`
    requests.push(url)
    const answer = answers.get(url)
    if (answer !== undefined) return answer(request, response)
    response.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const guarded = createGuardedFetch({
    ca: certificate,
    isAllowed: address => address === '127.0.0.1',
    resolve: (_name, callback) => { callback(null, [{ address: '127.0.0.1', family: 4 }]) }
  })
  return {
    requests,
    answer: (url, answer) => { answers.set(url, typeof answer === 'function' ? answer as Answer : jsonAnswer(answer)) },
    fetchDocument: async (url, limits) => {
      const there = new URL(url)
      there.port = String(port)
      return await guarded(there, { ...limits, timeoutMs })
    }
  }
}

export function jsonAnswer (value: object, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
  }
}

/** Public, so useless outside the tests. */
export const testKey = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIJyKKgBSrxEUpKhDfOoiPHuhhE5MUFoNcAM7cmsPy8R/oAoGCCqGSM49
AwEHoUQDQgAEA9XL3ZQDFV6UDh1uDCbiN5gi8qlq1KsVaKKDUOl8U/7Uz1+oykEk
luP6+XiqbJ99PQ86DRNE2gAAsjnfmx8VVw==
-----END EC PRIVATE KEY-----`

export const certificate = `-----BEGIN CERTIFICATE-----
MIIB8DCCAZegAwIBAgIUbVKdysedOQTe81ST/ndD2qrx+u8wCgYIKoZIzj0EAwIw
HTEbMBkGA1UEAwwSaG9zdHMgb2YgdGhlIHRlc3RzMCAXDTI2MTEyODAwMzExOFoY
DzIxMjYxMTA0MDAzMTE4WjAdMRswGQYDVQQDDBJob3N0cyBvZiB0aGUgdGVzdHMw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQD1cvdlAMVXpQOHW4MJuI3mCLyqWrU
qxVoooNQ6XxT/tTPX6jKQSSW4/r5eKpsn309DzoNE0TaAACyOd+bHxVXo4GyMIGv
MB0GA1UdDgQWBBT0bfGP80yxCp97WH2He1gSO2j54jAfBgNVHSMEGDAWgBT0bfGP
80yxCp97WH2He1gSO2j54jAPBgNVHRMBAf8EBTADAQH/MFwGA1UdEQRVMFOCCWNs
YXVkZS5haYILY2hhdGdwdC5jb22CC29wZW5jb2RlLmFpggp2c2NvZGUuZGV2gg9h
cHAuZXhhbXBsZS5jb22CCWxvY2FsaG9zdIcEfwAAATAKBggqhkjOPQQDAgNHADBE
AiAq363fWTGjZDxMVBTRKP3KMmFf4w0ORGHkXuv6h3JTcgIgSyms7xyh5dOWwq9L
nrNDc7TpiVPqLQbVj7RE5FdhZvk=
-----END CERTIFICATE-----`
