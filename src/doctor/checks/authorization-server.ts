/** Checks the metadata of the authorization server that the resource names first, and what clients require of it. */
import { jsonOf } from '../answer.js'
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import type { DoctorAnswer } from '../request.js'
import { type Visit, webUrl } from '../visit.js'
import { ignored } from './front.js'

/** `document`: the metadata of the resource (RFC 9728 §2). */
export async function serverFindings (visit: Visit, document: Record<string, unknown>): Promise<Finding[]> {
  const [issuer] = Array.isArray(document.authorization_servers) ? document.authorization_servers as unknown[] : []
  const url = webUrl(issuer)
  if (typeof issuer !== 'string' || url === undefined) {
    const isRelative = typeof issuer === 'string'
    return [
      {
        id: 'authorization-server',
        severity: 'error',
        what: isRelative
          ? `The authorization server is not an absolute URL: ${quoted(issuer)}`
          : 'The metadata names no authorization server',
        why: 'Clients do not know where to sign in.',
        fix: isRelative ? 'write its full https URL' : 'set OAUTH_SERVER=on, or JWT_ISSUER'
      }
    ]
  }
  if (url.protocol !== 'https:' && !visit.isLocal) {
    return [
      {
        id: 'authorization-server',
        severity: 'error',
        what: `The authorization server is http: ${quoted(issuer)}`,
        why: 'Clients refuse it.',
        fix: 'use its https URL'
      }
    ]
  }
  // The URL is from the tested server, which must not make this machine call private addresses (SSRF).
  if (visit.isInside(url)) {
    return [
      {
        id: 'authorization-server',
        severity: 'error',
        what: `The authorization server ${quoted(issuer)} is not public`,
        why: 'Clients in other networks cannot reach it.',
        fix: 'use its public URL'
      }
    ]
  }
  const found = await metadataOf(visit, url)
  if (found === undefined) {
    return [
      {
        id: 'authorization-server',
        severity: 'error',
        what: `The authorization server ${quoted(issuer)} serves no metadata`,
        why: 'Clients cannot sign in: it is the first in the list, and hosted clients do not try the others.',
        fix: 'make sure that it runs, and that /.well-known/oauth-authorization-server or openid-configuration is ' +
          'reachable there'
      }
    ]
  }
  return [
    ...issuerFindings(issuer, found),
    ...endpointFindings(visit, found),
    ...needsOf(visit, found),
    ...scopeFindings(document, found)
  ]
}

/** Clients send people and codes to these two (RFC 8414 §2). */
function endpointFindings (visit: Visit, server: Record<string, unknown>): Finding[] {
  const missing = ['authorization_endpoint', 'token_endpoint'].filter(name => {
    const url = webUrl(server[name])
    return url === undefined || (url.protocol === 'http:' && !visit.isLocal)
  })
  if (missing.length === 0) return []
  return [
    {
      id: 'authorization-server',
      severity: 'error',
      what: `The authorization server has no https URL in ${missing.join(' and ')}`,
      why: 'Clients cannot sign in.',
      fix: 'correct the public URL in the configuration of the authorization server'
    }
  ]
}

/**
 * Reads the metadata (RFC 8414 §3.1, OpenID Connect Discovery). Tries the URLs in the same order as clients.
 */
async function metadataOf (visit: Visit, issuer: URL): Promise<Record<string, unknown> | undefined> {
  const path = issuer.pathname.replace(/\/$/, '')
  const places = [
    `/.well-known/oauth-authorization-server${path}`,
    `/.well-known/openid-configuration${path}`,
    `${path}/.well-known/openid-configuration`
  ]
  for (const place of places) {
    const document = documentIn(await visit.ask(new URL(place, issuer.origin)).catch(ignored))
    if (document !== undefined) return document
  }
  return undefined
}

function issuerFindings (named: string, { issuer }: Record<string, unknown>): Finding[] {
  if (issuer === named) return []
  return [
    {
      id: 'issuer',
      severity: 'error',
      what: `The authorization server names ${naming('issuer', issuer)}, but the metadata names ${quoted(named)}`,
      why: 'Clients refuse a server that is not the one they were sent to (RFC 8414 §3.3).',
      fix: 'set JWT_ISSUER exactly as the provider writes it'
    }
  ]
}

function needsOf (visit: Visit, server: Record<string, unknown>): Finding[] {
  const found: Finding[] = []
  const who = visit.as ?? 'Most clients'
  const severity = visit.as === undefined ? 'warning' : 'error'
  const has = (name: string, value: string): boolean => Array.isArray(server[name]) && server[name].includes(value)
  if (!has('code_challenge_methods_supported', 'S256')) {
    found.push({
      id: 'pkce',
      severity,
      what: 'The authorization server does not say that it supports PKCE with S256',
      why: `${who} refuse a server without it.`,
      fix: 'enable PKCE there, so that code_challenge_methods_supported contains S256'
    })
  }
  const takesDocuments =
    server.client_id_metadata_document_supported === true &&
    has('token_endpoint_auth_methods_supported', 'none')
  if (!takesDocuments && typeof server.registration_endpoint !== 'string') {
    found.push({
      id: 'registration',
      severity,
      what: 'The authorization server supports neither client ID metadata documents of public clients nor ' +
        'dynamic registration',
      why: `${who} cannot connect without a manual registration there.`,
      fix: 'enable dynamic client registration there, set OAUTH_SERVER=on, or register the client by hand'
    })
  } else if (!takesDocuments && visit.as === 'claude') {
    found.push({
      id: 'registration',
      severity: 'info',
      what: 'Clients are registered dynamically',
      why: 'Claude registers a new client for each connection.',
      fix: 'advertise client_id_metadata_document_supported and the method none'
    })
  }
  if (visit.isHosted && !has('scopes_supported', 'offline_access')) {
    found.push({
      id: 'offline-access',
      severity: 'warning',
      what: 'The authorization server does not list the scope offline_access',
      why: `${who} then requests no refresh token, so users must sign in again every hour.`,
      fix: 'list offline_access in scopes_supported there'
    })
  }
  return found
}

function scopeFindings (
  { scopes_supported: advertised }: Record<string, unknown>,
  { scopes_supported: granted }: Record<string, unknown>
): Finding[] {
  if (!Array.isArray(advertised) || !Array.isArray(granted)) return []
  const lost = advertised.filter(scope => !granted.includes(scope)).map(String)
  if (lost.length === 0) return []
  return [
    {
      id: 'scopes',
      severity: 'warning',
      what: `The resource advertises scopes that the authorization server does not: ${quoted(lost.join(' '))}`,
      why: 'A client that requests them is refused with invalid_scope.',
      fix: 'add them there, or remove them from OAUTH_SCOPES'
    }
  ]
}

export function documentIn (answer: DoctorAnswer | undefined): Record<string, unknown> | undefined {
  return answer?.status === 200 ? jsonOf(answer) : undefined
}

/** Quotes a value of metadata with its name, or says that it is missing. */
export function naming (what: string, value: unknown): string {
  return typeof value === 'string' ? `the ${what} ${quoted(value)}` : `no ${what}`
}
