/** Checks the metadata that OAuth clients read, and what they require of the authorization server. */
import { header } from '../answer.js'
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import { type Visit, webUrl } from '../visit.js'
import { documentIn, naming, serverFindings } from './authorization-server.js'
import { resourceMetadataIn } from './challenge.js'
import { stranger } from './edge.js'
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
  const named = webUrl(address)
  // `challenge` has reported one that is missing or unusable. Clients then look at the well-known place.
  const isNamed = named !== undefined && !visit.isInside(named)
  const path = visit.url.pathname === '/' ? '' : visit.url.pathname
  const places = [...new Set([...isNamed ? [named.href] : [], visit.at(wellKnown + path).href])]
  const read = await Promise.all(
    places.map(async place => ({ place, answer: await visit.ask(new URL(place)).catch(ignored) }))
  )
  for (const { place, answer } of read) {
    if (!isNamed || documentIn(answer) !== undefined) continue
    const severity = place === named.href ? 'error' : 'warning'
    found.push({
      id: 'metadata-missing',
      severity,
      what: answer === undefined
        ? `${quoted(place)} does not respond`
        : `${quoted(place)} answers ${answer.status} without JSON metadata`,
      why: 'Clients look there for the authorization server.',
      fix: `let the proxy pass ${wellKnown} and everything below it to the app`
    })
  }
  const good = read.find(({ answer }) => documentIn(answer) !== undefined)
  const document = documentIn(good?.answer)
  if (good === undefined || document === undefined) return found
  // Servers send CORS headers only to pages.
  const asPage = await visit.ask(new URL(good.place), { headers: { origin: stranger } }).catch(ignored)
  if (!['*', stranger].includes(header(asPage ?? { headers: {} }, 'access-control-allow-origin'))) {
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
  const what = `The metadata names ${naming('resource', resource)}, but the URL is ${quoted(visit.url.href)}`
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
