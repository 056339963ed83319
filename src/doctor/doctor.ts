/** Checks a deployed endpoint from outside: runs the checks in order and collects the findings. */
import type { Finding } from './finding.js'
import { byWeight } from './finding.js'
import { NoAnswerError } from './request.js'
import { Visit, type VisitOptions } from './visit.js'
import { addresses } from './checks/addresses.js'
import { bodies, errorPages } from './checks/bodies.js'
import { calls } from './checks/calls.js'
import { challenge } from './checks/challenge.js'
import { edge } from './checks/edge.js'
import { front, slash } from './checks/front.js'
import { metadata } from './checks/metadata.js'
import { reach } from './checks/reach.js'
import { streams } from './checks/streams.js'
import { time } from './checks/time.js'

type Check = (visit: Visit) => Promise<readonly Finding[]>

/**
 * Each check with its name for the progress output. The last ones count as failures of this machine's
 * address.
 */
const checks: ReadonlyArray<readonly [name: string, check: Check]> = [
  ['clocks and time', time],
  ['the path with and without a slash', slash],
  ['the challenge', challenge],
  ['the metadata', metadata],
  ['calls', calls],
  ['a stream (takes a while)', streams],
  ['web pages', edge],
  ['large bodies', bodies],
  ['error pages', errorPages],
  ['addresses', addresses]
]

/**
 * Returns the findings, the most severe ones first. Calls `tell` before each check. Never rejects because of
 * the server.
 */
export async function examine (options: VisitOptions, tell: (what: string) => void = () => {}): Promise<Finding[]> {
  const visit = new Visit(options)
  tell('name, port and TLS')
  const { findings, isFatal } = await reach(visit)
  if (isFatal) return byWeight(findings)
  const before = await front(visit)
  // Behind any of these, such as a redirect or an HTML page, the app cannot be checked.
  if (before.length > 0) return byWeight([...findings, ...before])
  const found = [...findings, ...before]
  for (const [name, check] of checks) {
    tell(name)
    found.push(...await check(visit).catch((error: unknown) => [interrupted(name, error)]))
  }
  return byWeight(found)
}

function interrupted (name: string, error: unknown): Finding {
  if (!(error instanceof NoAnswerError)) throw error
  return {
    id: 'no-answer',
    severity: 'warning',
    what: `A request got no complete response (${error.code}), so ${name} could not be checked completely`,
    why: 'A server or proxy that drops requests also fails for callers.',
    fix: 'run the doctor again; read the logs of the server and the proxy'
  }
}
