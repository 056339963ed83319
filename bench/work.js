/** The requests to every server, and the checks of the answers. */

/** autocannon's placeholder for a request id. */
export const idPlace = '[<id>]'

export const apiKey = 'bench-key-4f1c9b7a2e6d8035'
export const jwtSecret = 'bench-secret-0123456789abcdef0123456789abcdef'

const modernRevision = '2026-07-28'
const legacyRevision = '2025-11-25'
export const kilobyte = 'The quick brown fox jumps over the lazy dog 0123456789. '.repeat(19).slice(0, 1024)

/** The tools that are called, with their arguments. */
export const jobs = {
  whoami: { name: 'whoami', arguments: {} },
  echo: { name: 'echo', arguments: { text: kilobyte } }
}

const envelope = {
  'io.modelcontextprotocol/protocolVersion': modernRevision,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' }
}

/**
 * A request as headers and body. `era`: `2025` or `2026`; `credential`: the headers with the credential. The
 * id is fixed, because load generators repeat one body. `session`: the headers of a session. A session does
 * not allow an id twice at the same time, so the generators replace it.
 */
export function requestOf ({ era, method = 'tools/call', params, credential = {}, session }) {
  const modern = era === '2026'
  return {
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': modern ? modernRevision : legacyRevision,
      ...(modern ? { 'mcp-method': method, ...(params?.name === undefined ? {} : { 'mcp-name': params.name }) } : {}),
      ...credential,
      ...session
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: session === undefined ? 7 : idPlace,
      method,
      params: modern ? { ...params, _meta: envelope } : params ?? {}
    })
  }
}

/** Throws unless the server at `url` answers `job` correctly. Resolves to the size of the answer in bytes. */
export async function verify (url, request, job) {
  const response = await fetch(url, { method: 'POST', ...request })
  const text = await response.text()
  const complain = why => { throw new Error(`${url} gave a wrong answer to ${job} (${why}): ${response.status} ${text.slice(0, 400)}`) }
  if (response.status !== 200) complain('status')
  const streamed = response.headers.get('content-type')?.startsWith('text/event-stream')
  const message = JSON.parse(streamed ? /^data: ?(.+)$/m.exec(text)?.[1] ?? 'null' : text)
  if (message?.id !== JSON.parse(request.body).id) complain('id')
  if (message.result?.isError) complain('isError')
  if (job === 'echo' && message.result?.content?.[0]?.text !== kilobyte) complain('echo')
  if (job === 'whoami') {
    const { structuredContent, content } = message.result ?? {}
    if (structuredContent?.role !== 'user' || JSON.parse(content[0].text).role !== 'user') complain('whoami')
  }
  return Buffer.byteLength(text)
}

/** Opens a session. Resolves to its headers. */
export async function openSession (url, credential) {
  const params = { protocolVersion: legacyRevision, capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } }
  const response = await fetch(
    url,
    { method: 'POST', ...requestOf({ era: '2025', method: 'initialize', params, credential }) }
  )
  await response.text()
  return { 'mcp-session-id': response.headers.get('mcp-session-id') }
}
