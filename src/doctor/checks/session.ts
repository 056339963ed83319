/** Checks whether the session that `initialize` opens works, and ends it. */
import { codeIn } from '../answer.js'
import type { Finding } from '../finding.js'
import { legacy, type Visit } from '../visit.js'
import { ignored, obstacleIn } from './front.js'

/** Several, because instances that do not share their sessions answer in turn. */
const calls = 3

/** `id`: the `Mcp-Session-Id` of the response to `initialize`; empty without one. */
export async function session (visit: Visit, id: string): Promise<Finding[]> {
  if (id === '') return await lostId(visit)
  const headers = { ...visit.credential, 'mcp-session-id': id }
  const statuses: number[] = []
  for (let call = 0; call < calls; call++) {
    const answer = await visit.post(legacy('ping'), { headers }).catch(ignored)
    if (answer !== undefined) statuses.push(answer.status)
  }
  const ended = await visit.ask(visit.url, { method: 'DELETE', headers }).catch(ignored)
  // Without the header, this package serves a ping without a session, but it cannot end one.
  if (ended !== undefined && codeIn(ended) === 'MCP_ERR_SESSION_REQUIRED') {
    return [
      {
        id: 'session',
        severity: 'error',
        what: 'The header Mcp-Session-Id of a request does not reach the app',
        why: 'Clients of revisions up to 2025-11-25 lose their session, and with it questions and notifications.',
        fix: 'let the proxy pass Mcp-Session-Id on (nginx: no proxy_set_header Mcp-Session-Id "")'
      }
    ]
  }
  if (ended !== undefined && obstacleIn(visit, ended) !== undefined) {
    return [
      {
        id: 'session',
        severity: 'warning',
        what: `A DELETE of the session gets ${ended.status} before it reaches the app`,
        why: 'Clients cannot end their sessions, and probably not open the stream of a session by GET either.',
        fix: 'let the proxy pass GET and DELETE on (nginx: limit_except GET POST DELETE OPTIONS)'
      }
    ]
  }
  const wrong = statuses.find(status => status === 404 || status === 400)
  if (wrong === undefined) return []
  return [
    {
      id: 'session',
      severity: 'error',
      what: `A call in the session that initialize has just opened gets ${wrong}`,
      why: 'Clients of revisions up to 2025-11-25 connect, and then fail.',
      fix: 'several instances need REDIS_URL, or routing by Mcp-Session-Id (nginx: hash $http_mcp_session_id)'
    }
  ]
}

/** A `GET` without a session tells a server with sessions from one without. */
async function lostId (visit: Visit): Promise<Finding[]> {
  // Another server might open a stream for it.
  if (codeIn(await visit.anonymous()) === undefined) return []
  const headers = { accept: 'text/event-stream', ...visit.credential }
  const answer = await visit.ask(visit.url, { headers }).catch(ignored)
  if (answer === undefined || codeIn(answer) !== 'MCP_ERR_SESSION_REQUIRED') return []
  return [
    {
      id: 'session',
      severity: 'error',
      what: 'The server has sessions, but the response to initialize has no Mcp-Session-Id',
      why: 'Clients of revisions up to 2025-11-25 do not learn their session, so questions and notifications fail.',
      fix: 'let the proxy pass response headers on (nginx: no proxy_hide_header Mcp-Session-Id)'
    }
  ]
}
