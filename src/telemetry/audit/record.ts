/** Writes the audit record of a decision as JSON without credentials. */
import { canonicalJson } from '../../lib/canonical-json.js'
import type { CallArguments, Decision } from '../decision.js'
import type { Digest, ChainLink } from './chain.js'

/** Limits of the cache for the JSON of repeated texts, such as the names of tools and callers. */
const mostKept = 1000
const longestKept = 256
/** The maximum length of a recorded argument value. Longer ones are truncated. */
const longestValue = 256

export class RecordWriter {
  readonly #digest: Digest
  readonly #redact: (json: string) => string
  readonly #digestOfNone: string
  readonly #kept = new Map<string, string>()
  #at = NaN
  #atText = ''

  /** `digest` hashes the arguments. `redact` removes credentials, which a caller may send as a tool's name. */
  constructor (digest: Digest, redact: (json: string) => string) {
    this.#digest = digest
    this.#redact = redact
    this.#digestOfNone = digest('{}')
  }

  /**
   * The canonical JSON of a record, without its hash. Written member by member, in the order of their names,
   * because `JSON.stringify` takes three times as long. Texts from elsewhere go through `#member`.
   */
  textOf (decision: Decision, { boot, seq, prev }: ChainLink): string {
    const { about, address, arguments: given, batch, http, itemKind, era, ms } = decision
    let text = about === undefined ? '{' : `{"about":${this.#redacted(canonicalJson(about))},`
    if (address !== undefined) text += `"address":${this.#json(address)},`
    if (given !== undefined) text += this.#argsMember(given())
    text += `"at":"${this.#timeText(decision.at)}","audit":1`
    if (batch !== undefined) text += `,"batch":${batch.index}`
    text += `,"boot":"${boot}"${this.#member('client', decision.client)}${this.#member('code', decision.code)}`
    text += this.#member('credential', decision.credential)
    if (http?.isCut === true) text += ',"cut":true'
    if (era !== undefined) text += `,"era":"${era}"`
    text += this.#member('item', decision.item)
    if (itemKind !== undefined) text += `,"itemKind":"${itemKind}"`
    text += `${this.#member('keyId', decision.keyId)},"kind":"${decision.kind}"`
    text += this.#member('method', decision.method)
    if (ms !== undefined) text += `,"ms":${JSON.stringify(Math.round(ms * 100) / 100)}`
    text += `${this.#member('oauthClient', decision.oauthClient)},"outcome":"${decision.outcome}","prev":"${prev}"`
    text += this.#member('principal', decision.principal)
    // Not cached, because every request has a different id.
    if (decision.requestId !== undefined) text += `,"requestId":${this.#redacted(JSON.stringify(decision.requestId))}`
    text += `,"seq":${seq}`
    if (http !== undefined) text += `,"status":${http.status}`
    return `${text}${this.#member('tokenId', decision.tokenId)}${this.#member('why', decision.why)}}`
  }

  #member (name: string, value: string | undefined): string {
    return value === undefined ? '' : `,"${name}":${this.#json(value)}`
  }

  #json (value: string): string {
    const kept = this.#kept.get(value)
    if (kept !== undefined) return kept
    const json = JSON.stringify(value)
    const redacted = this.#redacted(json)
    // Credentials are not cached.
    if (redacted === json && json.length <= longestKept) {
      if (this.#kept.size >= mostKept) this.#kept.clear()
      this.#kept.set(value, json)
    }
    return redacted
  }

  /** Returns canonical JSON, although a redactor may replace member names: readers hash what they parse. */
  #redacted (json: string): string {
    const redacted = this.#redact(json)
    if (redacted === json) return json
    try {
      return canonicalJson(JSON.parse(redacted))
    } catch {
      return '"[redacted]"'
    }
  }

  /** RFC 3339. Cached, because many records have the same millisecond. */
  #timeText (at: number): string {
    if (at !== this.#at) [this.#at, this.#atText] = [at, new Date(at).toISOString()]
    return this.#atText
  }

  /** A digest, and the values of those arguments that the tool's schema marks `loggable`. */
  #argsMember ({ values, loggable }: CallArguments): string {
    if (values === undefined) return ''
    const text = canonicalJson(values)
    const digest = text === '{}' ? this.#digestOfNone : this.#digest(text)
    const shown = loggable.length === 0 ? {} : shownOf(values, loggable)
    const ofValues = Object.keys(shown).length === 0 ? '' : `,"values":${this.#redacted(canonicalJson(shown))}`
    return `"args":{"digest":"${digest}"${ofValues}},`
  }
}

/** Returns only strings, numbers and booleans. Long strings are truncated. */
function shownOf (values: unknown, names: readonly string[]): Readonly<Record<string, string | number | boolean>> {
  const shown: Array<[string, string | number | boolean]> = []
  for (const name of names) {
    const value: unknown =
      typeof values === 'object' && values !== null && Object.hasOwn(values, name)
        ? Reflect.get(values, name)
        : undefined
    if (typeof value === 'string') shown.push([name, value.slice(0, longestValue)])
    else if (typeof value === 'number' || typeof value === 'boolean') shown.push([name, value])
  }
  return Object.fromEntries(shown)
}
