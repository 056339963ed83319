/** Checks which limits apply to large bodies and headers, and what error pages reveal. */
import { codeIn, header, isHtml, messageIn } from '../answer.js'
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import type { DoctorAnswer } from '../request.js'
import { legacy, type Visit } from '../visit.js'
import { ignored } from './front.js'

const largeBytes = 900_000
/** Below the 8 KiB that nginx and most others allow by default for one header. */
const longBytes = 6000

export async function bodies (visit: Visit): Promise<Finding[]> {
  return [...await largeBody(visit), ...await longHeader(visit)]
}

async function largeBody (visit: Visit): Promise<Finding[]> {
  // A server may close the connection in the middle of a body that it refuses.
  const answer = await visit.post(legacy('ping', { _meta: { padding: 'x'.repeat(largeBytes) } })).catch(ignored)
  if (answer !== undefined && (answer.status !== 413 || codeIn(answer) !== undefined)) return []
  return [
    {
      id: 'body-limit',
      severity: answer === undefined ? 'warning' : 'error',
      what: answer === undefined
        ? `A body of ${largeBytes / 1000} kB gets no response`
        : `A body of ${largeBytes / 1000} kB is refused before it reaches the app (413)`,
      why: 'Calls with large arguments fail with an error that clients cannot read, though BODY_LIMIT may allow them.',
      fix: 'raise the limit of the proxy above BODY_LIMIT: nginx client_max_body_size 2m'
    }
  ]
}

async function longHeader (visit: Visit): Promise<Finding[]> {
  const headers = { 'x-doctor-padding': 'x'.repeat(longBytes) }
  const answer = await visit.post(legacy('ping'), { headers }).catch(ignored)
  const isRefused = answer === undefined || [400, 413, 414, 431, 494].includes(answer.status)
  if (!isRefused || (answer !== undefined && (codeIn(answer) ?? messageIn(answer)) !== undefined)) return []
  const outcome = answer === undefined ? 'gets no response' : `is refused (${answer.status})`
  return [
    {
      id: 'header-limit',
      severity: 'warning',
      what: `A header of ${longBytes / 1000} kB ${outcome}`,
      why: 'Tokens that contain groups or many scopes can be this long, so their callers are refused.',
      fix: 'raise the limit of the proxy: nginx large_client_header_buffers 4 16k'
    }
  ]
}

/** Matches a stack trace, a file system path, or the path of a package. */
const internals = /\n\s+at \S.*:\d+:\d+|node_modules\/|(?:^|[\s"'(])\/(?:home|usr|var|opt|root|srv|app)\/[\w./-]+/m

export async function errorPages (visit: Visit): Promise<Finding[]> {
  const nowhere = visit.at(`/doctor-${Math.trunc(Math.random() * 1e9)}`)
  const message = { ...legacy('ping'), body: {} }
  const [malformed, unknown] = await Promise.all([
    visit.post(message, { body: '{"jsonrpc":' }).catch(ignored),
    visit.ask(nowhere).catch(ignored)
  ])
  const found: Finding[] = []
  if (malformed !== undefined && isHtml(malformed) && !visit.hasObstacle) {
    found.push({
      id: 'html-errors',
      severity: 'error',
      what: `An error of the endpoint (${malformed.status}) is replaced by an HTML page`,
      why: 'Clients cannot read why they were refused, nor how to sign in.',
      fix: 'nginx: turn proxy_intercept_errors off and set no error_page for the endpoint'
    })
  }
  for (const answer of [malformed, unknown]) {
    const leak = answer === undefined ? undefined : internals.exec(answer.body)?.[0]
    if (answer !== undefined && leak !== undefined) {
      found.push({
        id: 'leak',
        severity: 'warning',
        what: `An error (${answer.status}) reveals internals of the server: ${quoted(leak, 80)}`,
        why: 'It helps attackers.',
        fix: 'run with NODE_ENV=production, and remove debug pages in front of the app'
      })
      break
    }
  }
  return [...found, ...versions(await visit.anonymous())]
}

function versions (answer: DoctorAnswer): Finding[] {
  const names = ['server', 'x-powered-by'].map(name => header(answer, name)).filter(value => /\d+\.\d+/.test(value))
  if (names.length === 0) return []
  return [
    {
      id: 'server-version',
      severity: 'info',
      what: `Responses contain versions: ${quoted(names.join(', '), 80)}`,
      why: 'They tell an attacker which vulnerabilities to try.',
      fix: 'nginx: server_tokens off'
    }
  ]
}
