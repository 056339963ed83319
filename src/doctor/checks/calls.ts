/** Calls the endpoint with the credential: checks it, the revisions, and the claims of a token. */
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import { NoAnswerError } from '../request.js'
import { codeIn, initialize, jsonOf, legacy, modern, type Visit } from '../visit.js'

export async function calls (visit: Visit): Promise<Finding[]> {
  if (visit.credential === undefined) {
    return [
      {
        id: 'no-credential',
        severity: 'info',
        what: 'No credential was given, so no call was made',
        why: 'Revisions, streams, scopes and body limits were not checked.',
        fix: 'pass one with --key-file or --token-file'
      }
    ]
  }
  const [old, recent] = await Promise.all([visit.post(initialize), visit.post(modern('server/discover'))])
  if (old.status === 401 || recent.status === 401) return [...audience(visit), refused(visit)]
  const speaks = {
    legacy: jsonOf(old)?.result !== undefined || /"result"/.test(old.body),
    modern: jsonOf(recent)?.result !== undefined
  }
  if (!speaks.legacy && !speaks.modern) {
    const what = `The endpoint answers initialize with ${old.status} and server/discover with ${recent.status}`
    return [
      {
        id: 'no-era',
        severity: 'error',
        what,
        why: 'No client can connect.',
        fix: 'read the log line of these requests; see MCP_ERAS'
      }
    ]
  }
  const found: Finding[] = audience(visit)
  if (!speaks.legacy) {
    found.push({
      id: 'era-legacy',
      severity: 'warning',
      what: 'Revisions up to 2025-11-25 are not served',
      why: 'Most clients support no others.',
      fix: 'set MCP_ERAS=legacy,modern'
    })
  }
  if (!speaks.modern) {
    found.push({
      id: 'era-modern',
      severity: 'info',
      what: 'Revision 2026-07-28 is not served',
      why: 'Clients fall back to an older one.',
      fix: 'set MCP_ERAS=legacy,modern, and let the proxy pass Mcp-Method and Mcp-Name on'
    })
  }
  return [...found, ...await accepts(visit)]
}

function refused (visit: Visit): Finding {
  const isToken = 'authorization' in (visit.credential ?? {})
  const fix = isToken
    ? 'get a new token for this server; see the reason in the log line of this request'
    : 'check it with: fastify-mcp-auth keys verify; make sure that the proxy passes x-api-key on'
  return {
    id: 'credential-refused',
    severity: 'error',
    what: `The ${isToken ? 'token' : 'API key'} is refused (401)`,
    why: 'It is unknown, expired, revoked or for another server, or it does not reach the app.',
    fix
  }
}

/** Checks the claims of a token that is a JWT (RFC 9068 §2.2). Other tokens are opaque. */
function audience ({ credential, url, advertised }: Visit): Finding[] {
  const claims = claimsOf(credential?.authorization)
  if (claims === undefined) return []
  const found: Finding[] = []
  const names = [claims.aud ?? []].flat().map(String)
  const typed = url.href.replace(/\/$/, '')
  if (names.length > 0 && !names.some(name => name.replace(/\/$/, '') === typed)) {
    found.push({
      id: 'audience',
      severity: 'warning',
      what: `The token is for ${quoted(names.join(', '))}, but the URL is ${quoted(url.href)}`,
      why: 'A server accepts only tokens that name it in `aud`.',
      fix: 'ask the provider for a token for this URL (resource), or list the name in JWT_AUDIENCE'
    })
  }
  const granted = scopesIn(claims)
  const lost = granted === undefined ? [] : advertised.filter(scope => !granted.includes(scope))
  if (lost.length > 0) {
    found.push({
      id: 'scopes',
      severity: 'info',
      what: `The token lacks scopes that the resource advertises: ${quoted(lost.join(' '))}`,
      why: 'Items that need these scopes are hidden or refused.',
      fix: 'request them with the token, or check which scopes the provider grants to this client'
    })
  }
  if (typeof claims.exp === 'number' && claims.exp * 1000 < Date.now()) {
    found.push({
      id: 'token-expired',
      severity: 'error',
      what: `The token expired at ${new Date(claims.exp * 1000).toISOString()}`,
      why: 'The server refuses it.',
      fix: 'get a new one'
    })
  }
  return found
}

/**
 * Reads the scopes: a string (RFC 9068 §2.2.3), or a list or `scp` of some providers. `undefined` if there
 * are none.
 */
function scopesIn ({ scope, scp, scopes }: Record<string, unknown>): string[] | undefined {
  const given = scope ?? scp ?? scopes
  if (typeof given === 'string') return given.split(' ')
  return Array.isArray(given) ? given.map(String) : undefined
}

function claimsOf (authorization: string | undefined): Record<string, unknown> | undefined {
  const [, payload] = authorization?.split(' ')[1]?.split('.') ?? []
  return payload === undefined ? undefined : jsonOf({ body: Buffer.from(payload, 'base64url').toString('utf8') })
}

/** Calls with different `Accept` headers, because clients differ in this. */
async function accepts (visit: Visit): Promise<Finding[]> {
  const found: Finding[] = []
  for (const accept of ['application/json', 'text/event-stream']) {
    const message = legacy('tools/list')
    const answer = await visit.post(message, { headers: { accept } }).catch((error: unknown) => {
      if (error instanceof NoAnswerError) return undefined
      throw error
    })
    const isOk = answer !== undefined && answer.status === 200 && /"result"|"error"/.test(answer.body)
    if (isOk || (answer !== undefined && codeIn(answer) === 'MCP_ERR_SESSION_REQUIRED')) continue
    found.push({
      id: 'accept',
      severity: accept === 'application/json' ? 'info' : 'warning',
      what: `A call with only Accept: ${accept} gets ${answer?.status ?? 'no response'}`,
      why: 'Some clients accept nothing else.',
      fix: 'check whether the proxy rewrites Accept or buffers the response'
    })
  }
  return found
}
