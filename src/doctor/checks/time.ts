/** Checks the clock of the server and its response time. */
import { header } from '../answer.js'
import type { Finding } from '../finding.js'
import type { Visit } from '../visit.js'

/** How long hosted clients wait for discovery and sign-in, in milliseconds. */
const budgetMs = 10_000

export async function time (visit: Visit): Promise<Finding[]> {
  const answer = await visit.anonymous()
  return [...skew(header(answer, 'date')), ...slowness(visit, answer.ms)]
}

function skew (date: string): Finding[] {
  const seconds = Math.round((Date.parse(date) - Date.now()) / 1000)
  if (Number.isNaN(seconds) || Math.abs(seconds) < 60) return []
  const severity = Math.abs(seconds) < 300 ? 'warning' : 'error'
  return [
    {
      id: 'clock',
      severity,
      what: `The clock of the server is ${Math.abs(seconds)} seconds ${seconds > 0 ? 'ahead of' : 'behind'} ` +
        'the one here',
      why: 'Tokens are refused as expired or as not valid yet.',
      fix: 'run NTP on both machines'
    }
  ]
}

function slowness (visit: Visit, ms: number): Finding[] {
  if (ms < visit.patience.slowMs) return []
  return [
    {
      id: 'slow',
      severity: visit.isHosted && ms > budgetMs ? 'error' : 'warning',
      what: `The endpoint took ${(ms / 1000).toFixed(1)} seconds to refuse a request`,
      why: 'Hosted clients allow 10 seconds for discovery and sign-in.',
      fix: 'check the load of the machine, and whether it sleeps when idle'
    }
  ]
}
