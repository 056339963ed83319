/** Checks if a forged `X-Forwarded-For` is trusted, and if the server sees all callers under one address. */
import { header } from '../answer.js'
import type { Finding } from '../finding.js'
import { type DoctorAnswer, NoAnswerError, type DoctorRequest } from '../request.js'
import { legacy, type Visit } from '../visit.js'

/** An address that is reserved for documentation (RFC 5737), so that no real caller is affected. */
const claimed = '198.51.100.77'

/** Uses up to six of the failures that this address may have. */
export async function addresses (visit: Visit): Promise<Finding[]> {
  const before = await left(visit)
  if (before === undefined || before < 5) return []
  const asClaimed = await left(visit, { headers: { 'x-forwarded-for': claimed } })
  const after = await left(visit)
  const found: Finding[] = []
  // `after < before` excludes that a new window has started in the meantime.
  if (asClaimed !== undefined && after !== undefined && asClaimed >= before && after < before) {
    found.push({
      id: 'forwarded-for',
      severity: 'error',
      what: 'The server trusts the address that callers send (X-Forwarded-For)',
      why: 'A caller who guesses credentials can avoid the limit with invented addresses, and can lock ' +
        'out others.',
      fix: 'let the proxy overwrite the header (nginx: proxy_set_header X-Forwarded-For $remote_addr), and ' +
        'list only the proxy in TRUST_PROXY'
    })
  }
  return [...found, ...await shared(visit)]
}

/** Compares the budgets of two addresses of this machine. They must be independent. */
async function shared (visit: Visit): Promise<Finding[]> {
  const [first, second] = otherWays(visit)
  if (first === undefined || second === undefined) return []
  const counts: Array<number | undefined> = []
  for (const way of [first, second, first, second]) counts.push(await left(visit, way))
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

function otherWays ({ url, isLocal }: Visit): DoctorRequest[] {
  if (isLocal && url.hostname !== '[::1]') {
    return [
      { localAddress: '127.0.0.1', family: 4 },
      { localAddress: '127.0.0.2', family: 4 }
    ]
  }
  return isLocal ? [] : [{ family: 4 }, { family: 6 }]
}

/** Causes a failure and returns how many more are allowed. `undefined` if the response does not say. */
async function left (visit: Visit, question: DoctorRequest = {}): Promise<number | undefined> {
  const answer = await visit
    .post(
      legacy('ping'),
      { ...question, headers: { 'x-api-key': 'doctor-is-no-key', ...question.headers } },
      false
    )
    .catch((error: unknown): DoctorAnswer | undefined => {
      if (error instanceof NoAnswerError) return undefined
      throw error
    })
  if (answer === undefined || answer.status !== 401) return undefined
  const [, count] = /"address";r=(\d+)/.exec(header(answer, 'ratelimit')) ?? []
  return count === undefined ? undefined : Number(count)
}
