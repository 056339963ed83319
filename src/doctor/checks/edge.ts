/** Checks the protection against web pages: Host, Origin, preflights, and exposed headers. */
import { codeIn, header } from '../answer.js'
import type { Finding } from '../finding.js'
import { legacy, type Visit } from '../visit.js'
import { ignored } from './front.js'

/** The origin of a page that no server lists. */
export const stranger = 'https://doctor.invalid'
const readable = ['mcp-session-id', 'www-authenticate']

export async function edge (visit: Visit): Promise<Finding[]> {
  return [...await hostGuard(visit), ...await originGuard(visit), ...await preflight(visit)]
}

/** Some proxies refuse a foreign name by closing the connection, such as nginx with `return 444`. */
async function hostGuard (visit: Visit): Promise<Finding[]> {
  const answer = await visit.post(legacy('ping'), { headers: { host: 'doctor.invalid' } }, false).catch(ignored)
  if (answer?.status !== 200 && answer?.status !== 401) return []
  return [
    {
      id: 'host-guard',
      severity: visit.isLocal ? 'warning' : 'info',
      what: 'A request for another Host is served',
      why: 'A web page can reach a server on this machine under its own host name (DNS rebinding).',
      fix: 'set PUBLIC_URL or ALLOWED_HOSTS; nginx: proxy_set_header Host $host'
    }
  ]
}

async function originGuard (visit: Visit): Promise<Finding[]> {
  const answer = await visit.post(legacy('ping'), { headers: { origin: stranger } }, false).catch(ignored)
  if (answer?.status !== 200 && answer?.status !== 401) return []
  return [
    {
      id: 'origin-guard',
      severity: 'warning',
      what: 'A request from a web page of another origin is served',
      why: 'Servers must refuse it (MCP, Transports, Security).',
      fix: 'make sure that the proxy passes Origin on, and list only pages that may call in CORS_ORIGINS'
    }
  ]
}

async function preflight (visit: Visit): Promise<Finding[]> {
  const headers = {
    origin: stranger,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type, mcp-protocol-version, x-api-key'
  }
  const answer = await visit.ask(visit.url, { method: 'OPTIONS', headers })
  const allowed = header(answer, 'access-control-allow-origin')
  if (codeIn(answer) === 'MCP_ERR_ORIGIN_REFUSED') return []
  if (allowed === '*' || allowed === stranger) {
    return [
      {
        id: 'origin-open',
        severity: 'warning',
        what: 'Web pages of every origin may call',
        why: 'Any page that a user visits can use a credential that it has obtained.',
        fix: 'list exact origins in CORS_ORIGINS, and add no CORS headers in the proxy'
      },
      ...await exposed(visit)
    ]
  }
  // This package answers every preflight itself, and refuses a foreign page with a code.
  const isOurs = codeIn(await visit.anonymous()) !== undefined
  if (!isOurs && (answer.status < 300 || answer.status === 403)) return []
  return [
    {
      id: 'preflight',
      severity: 'warning',
      what: `A preflight (OPTIONS) gets ${answer.status} before it reaches the app`,
      why: 'No web page can call, even if CORS_ORIGINS allows it.',
      fix: 'let the proxy pass OPTIONS on without requiring a credential'
    }
  ]
}

/**
 * Checks the response to the call: this header has no effect in a preflight response (Fetch, CORS protocol).
 */
async function exposed (visit: Visit): Promise<Finding[]> {
  const answer = await visit.post(legacy('ping'), { headers: { origin: stranger } }, false)
  const names = header(answer, 'access-control-expose-headers').toLowerCase().split(/\s*,\s*/)
  const hidden = names.includes('*') ? [] : readable.filter(name => !names.includes(name))
  if (hidden.length === 0) return []
  return [
    {
      id: 'exposed-headers',
      severity: 'warning',
      what: `Web pages cannot read ${hidden.join(', ')}`,
      why: 'Clients in a browser lose their session, or cannot find out where to sign in.',
      fix: 'let the proxy pass Origin on, and Access-Control-Expose-Headers back'
    }
  ]
}
