/** Checks what is in front of the app: redirects, pages of a proxy or firewall, a wrong path. */
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import { type DoctorAnswer, NoAnswerError } from '../request.js'
import { codeIn, header, initialize, isHtml, jsonOf, type Visit } from '../visit.js'

export async function front (visit: Visit): Promise<Finding[]> {
  const answer = await visit.anonymous()
  const redirect = redirectOf(visit.url, answer)
  if (redirect !== undefined) return [redirect]
  if (answer.status === 404) return [await elsewhere(visit)]
  if (isHtml(answer)) return [pageOf(answer)]
  if (answer.status >= 500) {
    return [
      {
        id: 'server-error',
        severity: 'error',
        what: `The endpoint answers ${answer.status}`,
        why: 'Every call fails.',
        fix: 'read the log of the server; 502 and 504 come from a proxy that does not reach it'
      }
    ]
  }
  if (answer.status === 429) {
    return [
      {
        id: 'locked-out',
        severity: 'warning',
        what: 'This address is locked because of failed requests',
        why: 'Most of the other checks are not possible from here.',
        fix: 'wait as long as Retry-After says, or run: fastify-mcp-auth unlock ADDRESS'
      }
    ]
  }
  const isJson = jsonOf(answer) !== undefined || answer.body === ''
  if (isJson) return []
  return [
    {
      id: 'not-json',
      severity: 'error',
      what: `The endpoint answers ${answer.status} with something that is not JSON`,
      why: 'Clients cannot read it.',
      fix: 'make sure that the URL is that of the MCP endpoint, and that nothing rewrites its answers'
    }
  ]
}

/** Checks the path with and without a trailing slash, because people type both. */
export async function slash (visit: Visit): Promise<Finding[]> {
  const { pathname } = visit.url
  if (pathname === '/') return []
  const other = visit.at(pathname.endsWith('/') ? pathname.slice(0, -1) : `${pathname}/`)
  const expected = await visit.anonymous()
  const answer = await visit.post(initialize, { url: other }, false).catch(ignored)
  if (answer === undefined || answer.status === expected.status || answer.status === 429) return []
  const target = isRedirect(answer) ? ` with a redirect to ${quoted(header(answer, 'location'))}` : ''
  const what = `${other.pathname} answers ${answer.status}${target}, but ${pathname} answers ${expected.status}`
  return [
    {
      id: 'slash',
      severity: 'warning',
      what,
      why: 'Users who type the other form of the path get an unclear error, and a redirect loses ' +
        'the credential or the body.',
      fix: 'serve both paths without a redirect; nginx: location ~ ^/mcp/?$ { proxy_pass … }'
    }
  ]
}

function redirectOf (url: URL, answer: DoctorAnswer): Finding | undefined {
  if (!isRedirect(answer)) return undefined
  const location = header(answer, 'location')
  const target = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined
  const losesBody = answer.status !== 307 && answer.status !== 308
  const losesCredential = target !== undefined && target.origin !== url.origin
  const otherwise = losesCredential
    ? 'Clients drop the credential when they are redirected to another origin.'
    : 'Many clients do not follow it.'
  const why = losesBody ? 'It turns POST into GET, so calls do not arrive.' : otherwise
  return {
    id: 'redirect',
    severity: 'error',
    what: `The endpoint answers ${answer.status}, a redirect to ${quoted(location)}`,
    why,
    fix: 'give users the target URL, or serve this one without a redirect (PUBLIC_URL must be ' +
      'the URL that users type)'
  }
}

function pageOf (answer: DoctorAnswer): Finding {
  const server = header(answer, 'server')
  const what = `The endpoint answers ${answer.status} with an HTML ` +
    `page${server === '' ? '' : ` of ${quoted(server, 40)}`}`
  return {
    id: 'html-answer',
    severity: 'error',
    what,
    why: 'Something in front of the app answers: a firewall, a bot check, a sign-in page, or an error page of ' +
      'the proxy. Clients cannot read it.',
    fix: 'pass requests to the endpoint and to /.well-known/ through unchanged (no bot check, no ' +
      'proxy_intercept_errors)'
  }
}

async function elsewhere (visit: Visit): Promise<Finding> {
  const guess = visit.at(`${visit.url.pathname.replace(/\/$/, '')}/mcp`)
  const there = await visit.post(initialize, { url: guess }, false).catch(ignored)
  const isThere =
    there !== undefined &&
    [200, 401].includes(there.status) &&
    (codeIn(there) !== undefined || jsonOf(there) !== undefined)
  const fix = isThere
    ? `the endpoint is ${guess.href}`
    : 'use the full URL of the endpoint, which ends with /mcp; check which path the proxy passes on'
  return {
    id: 'not-the-endpoint',
    severity: 'error',
    what: `There is nothing at ${visit.url.pathname} (404)`,
    why: 'Every call fails.',
    fix
  }
}

export function isRedirect ({ status }: Pick<DoctorAnswer, 'status'>): boolean {
  return status >= 300 && status < 400 && status !== 304
}

export function ignored (error: unknown): undefined {
  if (error instanceof NoAnswerError) return undefined
  throw error
}
