/** The audit record of a decision. */
import { canonicalJson } from '../../lib/canonical-json.js'
import type { CallArguments, Decision } from '../decision.js'
import type { Digest } from './chain.js'

/** What places a record in its chain. */
export interface Link {
  readonly boot: string
  readonly seq: number
  readonly prev: string
}

/** The canonical JSON of a record, without its hash. `digest`: of the audit, for the arguments. */
export function recordText (decision: Decision, { boot, seq, prev }: Link, digest: Digest): string {
  const { about, arguments: given, batch, http } = decision
  const args = given === undefined ? undefined : argumentsField(given(), digest)
  // In the order of their names, which makes the JSON canonical; what is undefined is left out.
  const record = {
    about,
    address: decision.address,
    args,
    at: timeText(decision.at),
    audit: 1,
    batch: batch?.index,
    boot,
    client: decision.client,
    code: decision.code,
    credential: decision.credential,
    cut: http?.isCut === true ? true : undefined,
    era: decision.era,
    item: decision.item,
    itemKind: decision.itemKind,
    keyId: decision.keyId,
    kind: decision.kind,
    method: decision.method,
    ms: decision.ms === undefined ? undefined : Math.round(decision.ms * 100) / 100,
    oauthClient: decision.oauthClient,
    outcome: decision.outcome,
    prev,
    principal: decision.principal,
    requestId: decision.requestId,
    seq,
    status: http?.status,
    tokenId: decision.tokenId,
    why: decision.why
  }
  // The faster way, where no other object is inside.
  return about === undefined && args?.values === undefined ? JSON.stringify(record) : canonicalJson(record)
}

let lastAt = NaN
let lastText = ''

/** RFC 3339. Many records are of one millisecond. */
function timeText (at: number): string {
  if (at !== lastAt) [lastAt, lastText] = [at, new Date(at).toISOString()]
  return lastText
}

interface ArgumentsField {
  readonly digest: string
  readonly values?: Readonly<Record<string, string | number | boolean>> | undefined
}

const longestValue = 256

const digestsOfNone = new WeakMap<Digest, string>()

/** Of no arguments, which is what many tools are called with. */
function digestOfNone (digestOf: Digest): string {
  const known = digestsOfNone.get(digestOf) ?? digestOf('{}')
  digestsOfNone.set(digestOf, known)
  return known
}

/** A digest, and the values of those that the tool's schema marks `loggable`. */
function argumentsField ({ values, loggable }: CallArguments, digestOf: Digest): ArgumentsField | undefined {
  if (values === undefined) return undefined
  const text = canonicalJson(values)
  const digest = text === '{}' ? digestOfNone(digestOf) : digestOf(text)
  const shown: Array<[string, string | number | boolean]> = []
  for (const name of loggable) {
    const value: unknown =
      typeof values === 'object' && values !== null && Object.hasOwn(values, name)
        ? Reflect.get(values, name)
        : undefined
    if (typeof value === 'string') shown.push([name, value.slice(0, longestValue)])
    else if (typeof value === 'number' || typeof value === 'boolean') shown.push([name, value])
  }
  return shown.length === 0 ? { digest } : { digest, values: Object.fromEntries(shown) }
}
