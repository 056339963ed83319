/** Checks a deployed endpoint from outside: runs every check in order and collects the findings. */
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

/** `[what is told while it runs, check]`. The last ones cost failures of the caller's address. */
const checks: ReadonlyArray<readonly [name: string, check: Check]> = [
  ['clocks and time', time],
  ['the other spelling of the path', slash],
  ['the challenge', challenge],
  ['the metadata', metadata],
  ['calls', calls],
  ['a stream (takes a while)', streams],
  ['web pages', edge],
  ['large bodies', bodies],
  ['error pages', errorPages],
  ['addresses', addresses]
]

/** The worst first. `tell` hears what is looked at. Never throws because of what the server does. */
export async function examine (options: VisitOptions, tell: (what: string) => void = () => {}): Promise<Finding[]> {
  const visit = new Visit(options)
  tell('name, port and TLS')
  const { findings, isFatal } = await reach(visit)
  if (isFatal) return byWeight(findings)
  const before = await front(visit)
  // Behind a redirect or a page nothing of the app can be seen.
  if (before.some(({ severity }) => severity === 'error')) return byWeight([...findings, ...before])
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
    what: `A request got no answer (${error.code}), so ${name} could not be checked completely`,
    why: 'A server or proxy that drops requests also fails for callers.',
    fix: 'run the doctor again; read the logs of the server and the proxy'
  }
}
