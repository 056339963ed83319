/** Checks the metadata that OAuth clients read, and what they require of the authorization server. */
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import { header, isPrivate, jsonOf, type Visit } from '../visit.js'
import { resourceMetadataIn } from './challenge.js'
import { ignored } from './front.js'

const wellKnown = '/.well-known/oauth-protected-resource'

export async function metadata (visit: Visit): Promise<Finding[]> {
  const address = resourceMetadataIn(header(await visit.anonymous(), 'www-authenticate'))
  const unknown = await visit.ask(visit.at(`/.well-known/doctor-${Math.trunc(Math.random() * 1e9)}`)).catch(ignored)
  const found: Finding[] = []
  if (unknown !== undefined && ![404, 410, 429].includes(unknown.status)) {
    found.push({
      id: 'well-known',
      severity: visit.isHosted ? 'error' : 'warning',
      what: `An unknown path below /.well-known/ answers ${unknown.status}, not 404`,
      why: 'Clients probe there, and stop at any status other than 404.',
      fix: 'answer unknown paths with 404, without requiring a credential'
    })
  }
  // No metadata URL means no OAuth, which `challenge` has already reported.
  if (address === undefined || !URL.canParse(address)) return found
  const path = visit.url.pathname === '/' ? '' : visit.url.pathname
  const places = [...new Set([address, visit.at(wellKnown + path).href])]
  const read = await Promise.all(
    places.map(async place => ({ place, answer: await visit.ask(new URL(place)).catch(ignored) }))
  )
  for (const { place, answer } of read) {
    if (answer?.status === 200 && jsonOf(answer) !== undefined) continue
    const severity = place === address ? 'error' : 'warning'
    found.push({
      id: 'metadata-missing',
      severity,
      what: answer === undefined
        ? `${place} does not respond`
        : `${place} answers ${answer.status} without JSON metadata`,
      why: 'Clients look there for the authorization server.',
      fix: `let the proxy pass ${wellKnown} and everything below it to the app`
    })
  }
  const document = read
    .map(({ answer }) => (answer === undefined ? undefined : jsonOf(answer)))
    .find(found => found !== undefined)
  if (document === undefined) return found
  if (header(read[0]?.answer ?? { headers: {} }, 'access-control-allow-origin') !== '*') {
    found.push({
      id: 'metadata-cors',
      severity: 'info',
      what: 'The metadata cannot be read by web pages',
      why: 'Clients in a browser cannot sign in.',
      fix: 'let the proxy pass Access-Control-Allow-Origin on'
    })
  }
  if (Array.isArray(document.scopes_supported)) visit.advertised = document.scopes_supported.map(String)
  return [...found, ...resourceFindings(visit, document), ...await serverFindings(visit, document)]
}

/** Clients compare `resource` with the URL and request tokens for it (RFC 9728 §3.3). */
function resourceFindings (visit: Visit, { resource }: Record<string, unknown>): Finding[] {
  const typed = visit.url.href.replace(/\/$/, '')
  if (typeof resource === 'string' && resource.replace(/\/$/, '') === typed) return []
  const what = `The metadata names the resource ${quoted(String(resource))}, but the URL is ` +
    `${quoted(visit.url.href)}`
  return [
    {
      id: 'resource',
      severity: 'error',
      what,
      why: 'Clients refuse metadata of another resource, or request tokens that the server then refuses.',
      fix: 'set PUBLIC_URL to the base of the URL that users type, without /mcp'
    }
  ]
}

async function serverFindings (visit: Visit, document: Record<string, unknown>): Promise<Finding[]> {
  const [issuer] = Array.isArray(document.authorization_servers) ? document.authorization_servers as unknown[] : []
  if (typeof issuer !== 'string' || !URL.canParse(issuer)) {
    return [
      {
        id: 'authorization-server',
        severity: 'error',
        what: 'The metadata names no authorization server',
        why: 'Clients do not know where to sign in.',
        fix: 'set OAUTH_SERVER=on, or JWT_ISSUER'
      }
    ]
  }
  const url = new URL(issuer)
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
  if (!visit.isLocal && (url.hostname === 'localhost' || isPrivate(url.hostname.replace(/^\[|\]$/g, '')))) {
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
  return [...issuerFindings(issuer, found), ...needsOf(visit, found), ...scopeFindings(document, found)]
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
    const answer = await visit.ask(new URL(place, issuer.origin)).catch(ignored)
    const document = answer?.status === 200 ? jsonOf(answer) : undefined
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
      what: `The issuer of the authorization server is ${quoted(String(issuer))}, but the metadata names ` +
        `${quoted(named)}`,
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
