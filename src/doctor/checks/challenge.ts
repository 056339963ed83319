/** Checks the challenge for callers without a credential, and whether `Authorization` reaches the app. */
import { codeIn, header } from '../answer.js'
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import { legacy, type Visit, webUrl } from '../visit.js'

export async function challenge (visit: Visit): Promise<Finding[]> {
  const answer = await visit.anonymous()
  if (answer.status === 200) {
    return [
      {
        id: 'open',
        severity: 'warning',
        what: 'The endpoint serves callers without a credential',
        why: 'Anybody who finds the URL can call it, and clients never start to sign in.',
        fix: 'require a credential for every message, including initialize'
      }
    ]
  }
  if (answer.status !== 401) return []
  const text = header(answer, 'www-authenticate')
  if (text === '') {
    return [
      {
        id: 'challenge',
        // This package always sends one, so something removes it.
        severity: codeIn(answer) === 'MCP_ERR_UNAUTHENTICATED' ? 'error' : visit.publicSeverity,
        what: 'The 401 has no WWW-Authenticate',
        why: 'Clients do not learn how to sign in.',
        fix: 'make sure that the proxy passes response headers on (proxy_hide_header, proxy_intercept_errors)'
      }
    ]
  }
  if (!/\bbearer\b/i.test(text)) {
    return [
      {
        id: 'challenge',
        severity: 'error',
        what: `The 401 requires ${quoted(text, 80)}, not Bearer`,
        why: 'A password of the proxy takes the place of the sign-in, and clients have none.',
        fix: 'require no password for the endpoint and for /.well-known/: nginx auth_basic off'
      }
    ]
  }
  const findings = metadataUrlFindings(visit, resourceMetadataIn(text))
  return [...findings, ...await stripped(visit, text)]
}

/** Returns the URL in `resource_metadata` of a challenge (RFC 9728 §5.1). */
export function resourceMetadataIn (challengeText: string): string | undefined {
  return /resource_metadata="([^"]*)"/i.exec(challengeText)?.[1]
}

function metadataUrlFindings (visit: Visit, address: string | undefined): Finding[] {
  const severity = visit.publicSeverity
  if (address === undefined) {
    // VS Code also accepts an API key. Hosted clients support only OAuth.
    const others = visit.as === 'vscode' && !visit.isLocal ? 'warning' : 'info'
    return [
      {
        id: 'resource-metadata',
        severity: visit.isHosted ? 'error' : others,
        what: 'The challenge has no resource_metadata',
        why: 'Clients that support only OAuth cannot sign in; clients with an API key can call.',
        fix: 'set PUBLIC_URL, with OAUTH_SERVER=on or JWT_ISSUER'
      }
    ]
  }
  const url = webUrl(address)
  if (url === undefined) {
    return [
      {
        id: 'resource-metadata',
        severity: 'error',
        what: `resource_metadata is not an absolute URL: ${quoted(address)}`,
        why: 'Clients need an absolute URL.',
        fix: 'set PUBLIC_URL to the URL that callers use'
      }
    ]
  }
  if (visit.isInside(url)) {
    return [
      {
        id: 'resource-metadata',
        severity: 'error',
        what: `resource_metadata is not public: ${quoted(address)}`,
        why: 'Clients in other networks cannot reach it.',
        fix: 'set PUBLIC_URL to the URL that callers use'
      }
    ]
  }
  if (url.protocol !== 'https:') {
    return [
      {
        id: 'resource-metadata',
        severity,
        what: `resource_metadata is http: ${quoted(address)}`,
        why: 'Hosted clients refuse it.',
        fix: 'set PUBLIC_URL to the https URL that callers use'
      }
    ]
  }
  return []
}

/**
 * Sends an invalid token. If it arrives, the challenge has `error="invalid_token"` (RFC 6750 §3.1). If not,
 * the challenge is that without a credential, `anonymousText`.
 */
async function stripped (visit: Visit, anonymousText: string): Promise<Finding[]> {
  if (codeIn(await visit.anonymous()) !== 'MCP_ERR_UNAUTHENTICATED') return []
  const answer = await visit.post(legacy('ping'), { headers: { authorization: 'Bearer doctor.is-no.token' } }, false)
  if (answer.status !== 401) return []
  const text = header(answer, 'www-authenticate')
  if (/error="invalid_token"/.test(text) || /error="invalid_token"/.test(anonymousText)) return []
  return [
    {
      id: 'authorization-stripped',
      severity: 'error',
      what: 'A token in Authorization does not reach the app',
      why: 'All callers with a token are refused.',
      fix: 'let the proxy pass the header on: nginx proxy_set_header Authorization $http_authorization; ' +
        'Apache CGIPassAuth On'
    }
  ]
}
