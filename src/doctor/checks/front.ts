/** Checks what is in front of the app: redirects, pages of a proxy or firewall, a wrong path. */
import { codeIn, header, isHtml, messageIn } from '../answer.js'
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import { type DoctorAnswer, NoAnswerError } from '../request.js'
import { legacy, type Visit } from '../visit.js'

export async function front (visit: Visit): Promise<Finding[]> {
  const answer = await visit.anonymous()
  if (answer.status === 404) return [await elsewhere(visit)]
  const obstacle = obstacleIn(visit, answer)
  const code = codeIn(answer)
  if (obstacle === undefined) {
    if (code === 'MCP_ERR_HOST_REFUSED') return [hostRefused(visit)]
    if (code !== undefined && answer.status > 401) return [refusedBefore(answer, code)]
    if (answer.status === 401 || code !== undefined || messageIn(answer) !== undefined) return []
  }
  if (obstacle !== undefined && obstacle.id !== 'html-answer') return [obstacle]
  const endpoint = await nearby(visit)
  if (obstacle !== undefined && endpoint === undefined) return [obstacle]
  return [
    {
      id: 'not-mcp',
      severity: 'error',
      what: `The endpoint answers ${answer.status} with something that is not MCP`,
      why: 'Clients cannot read it.',
      fix: endpoint === undefined
        ? 'make sure that the URL is that of the MCP endpoint, and that nothing rewrites its answers'
        : `the endpoint is ${endpoint.href}`
    }
  ]
}

/** Returns a finding if a proxy, a firewall or a failing server answered, or the address is locked. */
export function obstacleIn ({ url }: Visit, answer: DoctorAnswer): Finding | undefined {
  if (isRedirect(answer)) return redirectOf(url, answer)
  if (answer.status === 429) return lockedOut(answer)
  if (answer.status >= 500) return failing(answer)
  return isHtml(answer) ? pageOf(answer) : undefined
}

function failing ({ status }: DoctorAnswer): Finding {
  return {
    id: 'server-error',
    severity: 'error',
    what: `The endpoint answers ${status}`,
    why: 'Every call fails.',
    fix: [502, 503, 504].includes(status)
      ? 'make sure that the server runs, and that the proxy calls its address and port (nginx proxy_pass); read ' +
        'both logs'
      : 'read the log of the server'
  }
}

/** The other checks would fail too, and would keep the address locked. */
function lockedOut (answer: DoctorAnswer): Finding {
  return {
    id: 'locked-out',
    severity: 'warning',
    what: 'This address has made too many requests or failures (429)',
    why: 'The other checks are not possible from here.',
    fix: codeIn(answer) === undefined
      ? 'wait, and run the doctor again; the limit is that of a proxy or firewall'
      : 'wait as long as Retry-After says, or run: fastify-mcp-auth unlock ADDRESS'
  }
}

function hostRefused ({ url }: Visit): Finding {
  return {
    id: 'host-refused',
    severity: 'error',
    what: `The server refuses requests for ${url.host} (403)`,
    why: 'Every call fails, with any credential.',
    fix: 'set PUBLIC_URL to the base of the URL that users type, or list the name in ALLOWED_HOSTS; nginx: ' +
      'proxy_set_header Host $host'
  }
}

function refusedBefore ({ status }: DoctorAnswer, code: string): Finding {
  return {
    id: 'refused',
    severity: 'error',
    what: `The server answers a correct request with ${status} (${quoted(code, 40)})`,
    why: 'Every call fails, with any credential.',
    fix: 'see this code in docs/errors.md; check which headers the proxy adds or removes'
  }
}

/** Checks the path with and without a trailing slash, because people type both. */
export async function slash (visit: Visit): Promise<Finding[]> {
  const { pathname } = visit.url
  if (pathname === '/') return []
  const other = visit.at(pathname.endsWith('/') ? pathname.slice(0, -1) : `${pathname}/`)
  const expected = await visit.anonymous()
  const answer = await visit.post(legacy('ping'), { url: other }, false).catch(ignored)
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

function redirectOf (url: URL, answer: DoctorAnswer): Finding {
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
    // Without its query, which may contain the credential.
    what: `The endpoint answers ${answer.status}, a redirect to ${quoted(location.replace(/[?#].*$/s, ''))}`,
    why,
    fix: 'give users the target URL, or serve this one without a redirect (PUBLIC_URL must be ' +
      'the URL that users type)'
  }
}

/** What to do about pages of nginx that name their cause. */
const knownPages: ReadonlyArray<readonly [text: RegExp, fix: string]> = [
  [/plain HTTP request was sent to HTTPS port/i, 'write https:// in the URL: the server uses TLS on this port'],
  [/SSL certificate (?:was sent|error)/i, 'require no certificate of clients: nginx ssl_verify_client off'],
  [/Header Or Cookie Too Large/i, 'raise the limit for headers: nginx large_client_header_buffers 4 16k']
]

function pageOf (answer: DoctorAnswer): Finding {
  const server = header(answer, 'server')
  const [, fix] = knownPages.find(([text]) => text.test(answer.body)) ?? []
  const what = `The endpoint answers ${answer.status} with an HTML ` +
    `page${server === '' ? '' : ` of ${quoted(server, 40)}`}`
  return {
    id: 'html-answer',
    severity: 'error',
    what,
    why: 'Something in front of the app answers: a firewall, a bot check, a sign-in page, or an error page of ' +
      'the proxy. Clients cannot read it.',
    fix: fix ??
      'pass requests to the endpoint and to /.well-known/ through unchanged (no bot check, no password, ' +
      'no proxy_intercept_errors)'
  }
}

async function elsewhere (visit: Visit): Promise<Finding> {
  const endpoint = await nearby(visit)
  const fix = endpoint === undefined
    ? 'use the full URL of the endpoint, which ends with /mcp; check which path the proxy passes on'
    : `the endpoint is ${endpoint.href}`
  return {
    id: 'not-the-endpoint',
    severity: 'error',
    what: `There is nothing at ${visit.url.pathname} (404)`,
    why: 'Every call fails.',
    fix
  }
}

/** Looks for the endpoint where people forget or misplace `/mcp`. */
async function nearby (visit: Visit): Promise<URL | undefined> {
  const typed = visit.url.pathname.replace(/\/$/, '')
  const paths = new Set([...typed.endsWith('/mcp') ? [] : [`${typed}/mcp`], '/mcp'])
  paths.delete(typed)
  for (const path of paths) {
    const url = visit.at(path)
    const answer = await visit.post(legacy('ping'), { url }, false).catch(ignored)
    if (answer === undefined || answer.status === 404) continue
    if (codeIn(answer) !== undefined || messageIn(answer) !== undefined) return url
  }
  return undefined
}

export function isRedirect ({ status }: Pick<DoctorAnswer, 'status'>): boolean {
  return status >= 300 && status < 400 && status !== 304
}

export function ignored (error: unknown): undefined {
  if (error instanceof NoAnswerError) return undefined
  throw error
}
