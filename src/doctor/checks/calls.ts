/** Calls the endpoint with the credential: checks the credential, the revisions, sessions and content types. */
import { codeIn, header, messageIn } from '../answer.js'
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import type { DoctorAnswer } from '../request.js'
import { initialize, legacy, modern, type Visit } from '../visit.js'
import { ignored, obstacleIn } from './front.js'
import { session } from './session.js'
import { tokenFindings } from './token.js'

export async function calls (visit: Visit): Promise<Finding[]> {
  if (visit.credential === undefined) {
    return [
      {
        id: 'no-credential',
        severity: 'info',
        what: 'No credential was given, so no call was made',
        why: 'Revisions, sessions and streams were not checked.',
        fix: 'pass one with --key-file or --token-file'
      }
    ]
  }
  const [old, recent] = await Promise.all([visit.post(initialize), visit.post(modern('server/discover'))])
  const [unauthenticated] = [old, recent].filter(({ status }) => status === 401)
  if (unauthenticated !== undefined) {
    return [...tokenFindings(visit), refused(visit, unauthenticated)]
  }
  const speaks = {
    legacy: messageIn(old)?.result !== undefined,
    modern: messageIn(recent)?.result !== undefined
  }
  if (!speaks.legacy && !speaks.modern) return [...tokenFindings(visit), noEra(visit, old, recent)]
  const found = [...tokenFindings(visit), ...contentType(speaks.legacy ? old : recent)]
  if (!speaks.legacy) {
    found.push({
      id: 'era-legacy',
      severity: 'warning',
      what: `Revisions up to 2025-11-25 are not served: initialize gets ${described(old)}`,
      why: 'Most clients support no others.',
      fix: 'set MCP_ERAS=legacy,modern'
    })
  }
  if (!speaks.modern) {
    found.push({
      id: 'era-modern',
      // This package then serves the revision, but does not see the headers.
      severity: codeIn(recent) === 'MCP_ERR_HEADER_MISMATCH' ? 'warning' : 'info',
      what: `Revision 2026-07-28 is not served: server/discover gets ${described(recent)}`,
      why: 'Clients fall back to an older one.',
      fix: 'set MCP_ERAS=legacy,modern, and let the proxy pass MCP-Protocol-Version, Mcp-Method and Mcp-Name on'
    })
  }
  const id = header(old, 'mcp-session-id')
  const inSession = id === '' ? {} : { 'mcp-session-id': id }
  const accepted = speaks.legacy ? await accepts(visit, inSession) : []
  return [...found, ...accepted, ...speaks.legacy ? await session(visit, id) : []]
}

function described (answer: DoctorAnswer): string {
  const code = codeIn(answer)
  return `${answer.status}${code === undefined ? '' : ` ${quoted(code, 40)}`}`
}

function noEra (visit: Visit, old: DoctorAnswer, recent: DoctorAnswer): Finding {
  const obstacle = obstacleIn(visit, old) ?? obstacleIn(visit, recent)
  if (obstacle !== undefined) {
    visit.hasObstacle = true
    return obstacle
  }
  if ([old, recent].some(answer => codeIn(answer) === 'MCP_ERR_INSUFFICIENT_SCOPE')) {
    return {
      id: 'scopes',
      severity: 'error',
      what: `Every call needs a scope that the token lacks: ${quoted(header(old, 'www-authenticate'))}`,
      why: 'The caller is known, but may call nothing.',
      fix: 'request this scope with the token, or check which scopes the provider grants to this client'
    }
  }
  return {
    id: 'no-era',
    severity: 'error',
    what: `The endpoint answers initialize with ${described(old)} and server/discover with ${described(recent)}`,
    why: 'No client can connect.',
    fix: 'read the log line of these requests; see MCP_ERAS, and check whether the proxy rewrites bodies (sub_filter)'
  }
}

function refused (visit: Visit, answer: DoctorAnswer): Finding {
  const isToken = 'authorization' in (visit.credential ?? {})
  const noun = isToken ? 'token' : 'API key'
  // The challenge has an error only if a credential arrived (RFC 6750 §3.1).
  const isOurs = codeIn(answer) === 'MCP_ERR_UNAUTHENTICATED'
  const text = header(answer, 'www-authenticate')
  const isLost = isOurs && text !== '' && !text.includes('error=')
  const fix = isToken
    ? 'get a new token for this server; see the reason in the log line of this request'
    : 'check it with: fastify-mcp-auth keys verify; make sure that the proxy passes x-api-key on'
  return {
    id: 'credential-refused',
    severity: 'error',
    what: isLost ? `The ${noun} does not reach the app (401)` : `The ${noun} is refused (401)`,
    why: isLost
      ? 'Something in front of the app removes the header, so every caller is refused.'
      : 'It is unknown, expired, revoked or for another server.',
    fix: isLost && !isToken ? 'let the proxy pass x-api-key on (nginx: no proxy_set_header x-api-key "")' : fix
  }
}

/** Clients tell JSON from a stream by the content type, and refuse everything else. */
function contentType (answer: DoctorAnswer): Finding[] {
  const type = header(answer, 'content-type')
  if (/^(?:application\/json|text\/event-stream)\s*(?:;|$)/i.test(type)) return []
  return [
    {
      id: 'content-type',
      severity: 'error',
      what: `Responses have ${type === '' ? 'no Content-Type' : `the Content-Type ${quoted(type, 80)}`}`,
      why: 'Clients accept only application/json and text/event-stream.',
      fix: 'let the proxy pass Content-Type on: no proxy_hide_header, no default_type in its place'
    }
  ]
}

/** Calls with different `Accept` headers, because clients differ in this. */
async function accepts (visit: Visit, inSession: Readonly<Record<string, string>>): Promise<Finding[]> {
  const found: Finding[] = []
  for (const accept of ['application/json', 'text/event-stream']) {
    const answer = await visit.post(legacy('tools/list'), { headers: { ...inSession, accept } }).catch(ignored)
    const isServed = answer?.status === 200 && messageIn(answer) !== undefined
    // 404: `session` reports a session that is lost.
    if (isServed || answer?.status === 404) continue
    found.push({
      id: 'accept',
      severity: accept === 'application/json' ? 'info' : 'warning',
      what: `A call with only Accept: ${accept} gets ${answer === undefined ? 'no response' : described(answer)}`,
      why: 'Some clients accept nothing else.',
      fix: 'check whether the proxy rewrites Accept or buffers the response'
    })
  }
  return found
}
