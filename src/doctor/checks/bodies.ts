/** Checks which limit applies to large bodies, and what error pages reveal. */
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import { type DoctorAnswer, NoAnswerError } from '../request.js'
import { codeIn, header, isHtml, legacy, type Visit } from '../visit.js'

const largeBytes = 900_000

export async function bodies (visit: Visit): Promise<Finding[]> {
  const answer = await visit.post(legacy('ping', { _meta: { padding: 'x'.repeat(largeBytes) } })).catch(reset)
  if (answer === undefined || answer.status !== 413 || codeIn(answer) !== undefined) return []
  return [
    {
      id: 'body-limit',
      severity: 'error',
      what: `A body of ${largeBytes / 1000} kB is refused before it reaches the app (413)`,
      why: 'Calls with large arguments fail with an error that clients cannot read, though BODY_LIMIT may allow them.',
      fix: 'raise the limit of the proxy above BODY_LIMIT: nginx client_max_body_size 2m'
    }
  ]
}

/** Matches a stack trace, a file system path, or the path of a package. */
const internals = /\n\s+at \S.*:\d+:\d+|node_modules\/|(?:^|[\s"'(])\/(?:home|usr|var|opt|root|srv|app)\/[\w./-]+/m

export async function errorPages (visit: Visit): Promise<Finding[]> {
  const nowhere = visit.at(`/doctor-${Math.trunc(Math.random() * 1e9)}`)
  const message = { ...legacy('ping'), body: {} }
  const [malformed, unknown] = await Promise.all([
    visit.post(message, { body: '{"jsonrpc":' }).catch(reset),
    visit.ask(nowhere).catch(reset)
  ])
  const found: Finding[] = []
  if (malformed !== undefined && isHtml(malformed)) {
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

/** A server may close the connection in the middle of a body that it refuses. */
function reset (error: unknown): undefined {
  if (error instanceof NoAnswerError) return undefined
  throw error
}
