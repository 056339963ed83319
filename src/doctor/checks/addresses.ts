/** Whether a forged `X-Forwarded-For` is trusted, and whether all callers share one address. */
import type { Finding } from '../finding.js'
import { type Answer, NoAnswerError, type Question } from '../request.js'
import { header, legacy, type Visit } from '../visit.js'

/** Of documentation (RFC 5737): nobody's. */
const claimed = '198.51.100.77'

/** Costs up to six failures of this address. */
export async function addresses (visit: Visit): Promise<Finding[]> {
  const before = await left(visit)
  if (before === undefined || before < 5) return []
  const asClaimed = await left(visit, { headers: { 'x-forwarded-for': claimed } })
  const after = await left(visit)
  const found: Finding[] = []
  // Where the window began anew meanwhile, the budget of this address is full again, too.
  if (asClaimed !== undefined && after !== undefined && asClaimed >= before && after < before) {
    found.push({
      id: 'forwarded-for',
      severity: 'error',
      what: 'The server trusts the address that callers send (X-Forwarded-For)',
      why: 'A caller who guesses credentials gets a new budget with each invented address, and can lock out others.',
      fix: 'let the proxy overwrite the header (nginx: proxy_set_header X-Forwarded-For $remote_addr), and ' +
        'list only the proxy in TRUST_PROXY'
    })
  }
  return [...found, ...await shared(visit)]
}

/** From a second address of this machine: its own budget has to be another one. */
async function shared (visit: Visit): Promise<Finding[]> {
  const [one, other] = otherWays(visit)
  if (one === undefined || other === undefined) return []
  const counts: Array<number | undefined> = []
  for (const way of [one, other, one, other]) counts.push(await left(visit, way))
  const isOneBucket = counts.every(
    (count, index) => count !== undefined && (index === 0 || count === (counts[index - 1] ?? NaN) - 1)
  )
  if (!isOneBucket) return []
  return [
    {
      id: 'shared-address',
      severity: 'error',
      what: 'Callers from different addresses share one limit on failures',
      why: 'The server sees only the address of the proxy, so one broken client locks out everybody.',
      fix: 'set TRUST_PROXY to the address of the proxy, and let it send X-Forwarded-For (nginx: ' +
        'proxy_set_header X-Forwarded-For $remote_addr)'
    }
  ]
}

function otherWays ({ url, isLocal }: Visit): Question[] {
  if (isLocal && url.hostname !== '[::1]') {
    return [
      { localAddress: '127.0.0.1', family: 4 },
      { localAddress: '127.0.0.2', family: 4 }
    ]
  }
  return isLocal ? [] : [{ family: 4 }, { family: 6 }]
}

/** What is left of the budget for failures after one more; `undefined` where nothing says so. */
async function left (visit: Visit, question: Question = {}): Promise<number | undefined> {
  const answer = await visit
    .post(
      legacy('ping'),
      { ...question, headers: { 'x-api-key': 'doctor-is-no-key', ...question.headers } },
      false
    )
    .catch((error: unknown): Answer | undefined => {
      if (error instanceof NoAnswerError) return undefined
      throw error
    })
  if (answer === undefined || answer.status !== 401) return undefined
  const [, count] = /"address";r=(\d+)/.exec(header(answer, 'ratelimit')) ?? []
  return count === undefined ? undefined : Number(count)
}
