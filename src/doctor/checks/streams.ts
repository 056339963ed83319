/** Checks a long-lived stream: whether it is buffered, sends keep-alives, or is cut. */
import { codeIn, header } from '../answer.js'
import type { Finding } from '../finding.js'
import { quoted } from '../finding.js'
import { hasComment, type Held, isEventStream, NoAnswerError } from '../request.js'
import { modern, type Visit } from '../visit.js'

export async function streams (visit: Visit): Promise<Finding[]> {
  if (visit.credential === undefined) return []
  const held = await open(visit)
  if (held === undefined) return [cut(0)]
  const type = header(held, 'content-type')
  if (held.status !== 200 || !isEventStream(held.headers)) {
    if (held.status === 504 || held.status === 502) return [cut(held.endedMs ?? 0)]
    return [
      {
        id: 'stream-untested',
        severity: 'info',
        what: `No stream could be opened (${held.status}${type === '' ? '' : `, ${quoted(type, 40)}`})`,
        why: 'Streams could not be checked.',
        fix: 'serve revision 2026-07-28 (MCP_ERAS), or allow more streams (STREAM_MAX_PER_CALLER)'
      }
    ]
  }
  const { firstEventMs, keepAliveMs } = visit.patience
  const { firstByteMs = Infinity, endedMs } = held
  if (endedMs !== undefined) return [...firstByteMs > firstEventMs ? [buffered()] : [], cut(endedMs)]
  if (firstByteMs > firstEventMs) return [buffered()]
  // The content of a compressed stream is not visible here, so keep-alives cannot be checked.
  if (keepAliveMs > 0 && header(held, 'content-encoding') === '' && !hasComment(held.text)) {
    // This package sends a keep-alive every 15 seconds. If none arrives, a proxy buffers everything after the
    // headers.
    if (codeIn(await visit.anonymous()) !== undefined) return [buffered()]
    return [
      {
        id: 'keep-alive',
        severity: 'warning',
        what: `No keep-alive arrived in ${keepAliveMs / 1000} seconds`,
        why: 'A proxy may close the silent stream, and events are lost.',
        fix: 'turn buffering and caching off for the endpoint: proxy_buffering off'
      }
    ]
  }
  return []
}

async function open (visit: Visit): Promise<Held | undefined> {
  try {
    return await visit.hold(modern('subscriptions/listen', { notifications: { toolsListChanged: true } }))
  } catch (error) {
    if (error instanceof NoAnswerError && error.code === 'timeout') {
      return {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        firstByteMs: undefined,
        endedMs: undefined,
        text: ''
      }
    }
    if (error instanceof NoAnswerError) return undefined
    throw error
  }
}

function buffered (): Finding {
  return {
    id: 'stream-buffered',
    severity: 'error',
    what: 'Events of a stream do not arrive while it is open',
    why: 'Progress, questions and notifications reach clients late or never.',
    fix: 'nginx: proxy_buffering off, gzip off for text/event-stream, and no proxy_ignore_headers ' +
      'X-Accel-Buffering; Apache: flushpackets=on'
  }
}

function cut (ms: number): Finding {
  return {
    id: 'stream-cut',
    severity: 'error',
    what: `A stream was cut after ${(ms / 1000).toFixed(1)} seconds`,
    why: 'Longer calls fail, and clients reconnect again and again.',
    fix: 'raise the read timeout of the proxy above REQUEST_TIMEOUT_MS: nginx proxy_read_timeout 120s'
  }
}
