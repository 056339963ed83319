/** Checks the claims of the token that the doctor calls with. */
import { jsonOf } from '../answer.js'
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import type { Visit } from '../visit.js'

/** Checks the claims of a token that is a JWT (RFC 9068 §2.2). Other tokens are opaque. */
export function tokenFindings ({ credential, url, advertised }: Visit): Finding[] {
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
    const at = new Date(claims.exp * 1000)
    found.push({
      id: 'token-expired',
      severity: 'error',
      what: `The token expired${Number.isNaN(at.getTime()) ? '' : ` at ${at.toISOString()}`}`,
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
