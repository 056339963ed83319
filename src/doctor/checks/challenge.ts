/** What a caller without a credential gets: the challenge, and whether `Authorization` arrives. */
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import { codeIn, header, legacy, type Visit } from '../visit.js'

export async function challenge (visit: Visit): Promise<Finding[]> {
  const answer = await visit.anonymous()
  if (answer.status === 200) {
    return [
      {
        id: 'open',
        severity: 'warning',
        what: 'The endpoint serves callers without a credential',
        why: 'Everybody who finds the URL can call it, and clients never start to sign in.',
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
        severity: visit.publicSeverity,
        what: 'The 401 has no WWW-Authenticate',
        why: 'Clients do not learn how to sign in.',
        fix: 'make sure that the proxy passes response headers on (proxy_hide_header, proxy_intercept_errors)'
      }
    ]
  }
  const findings = metadataUrlFindings(visit, resourceMetadataIn(text))
  return [...findings, ...await stripped(visit, text)]
}

/** The address in `resource_metadata` of a challenge (RFC 9728 §5.1). */
export function resourceMetadataIn (challengeText: string): string | undefined {
  return /resource_metadata="([^"]*)"/i.exec(challengeText)?.[1]
}

function metadataUrlFindings (visit: Visit, address: string | undefined): Finding[] {
  const severity = visit.publicSeverity
  if (address === undefined) {
    // A person can give VS Code a key; hosted clients know OAuth alone.
    const others = visit.as === 'vscode' && !visit.isLocal ? 'warning' : 'info'
    return [
      {
        id: 'resource-metadata',
        severity: visit.isHosted ? 'error' : others,
        what: 'The challenge names no resource_metadata',
        why: 'Clients that support only OAuth cannot sign in; clients with an API key can call.',
        fix: 'set PUBLIC_URL, with OAUTH_SERVER=on or JWT_ISSUER'
      }
    ]
  }
  if (!URL.canParse(address)) {
    return [
      {
        id: 'resource-metadata',
        severity: 'error',
        what: `resource_metadata is relative: ${quoted(address)}`,
        why: 'Clients need an absolute URL.',
        fix: 'set PUBLIC_URL to the URL that callers use'
      }
    ]
  }
  if (new URL(address).protocol !== 'https:') {
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

/** A server that sees a bad token says so (RFC 6750 §3.1); one that sees none answers as to nobody. */
async function stripped (visit: Visit, toNobody: string): Promise<Finding[]> {
  if (codeIn(await visit.anonymous()) !== 'MCP_ERR_UNAUTHENTICATED') return []
  const answer = await visit.post(legacy('ping'), { headers: { authorization: 'Bearer doctor.is-no.token' } }, false)
  if (answer.status !== 401) return []
  const text = header(answer, 'www-authenticate')
  if (/error="invalid_token"/.test(text) || /error="invalid_token"/.test(toNobody)) return []
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
