/** Serializes JSON-RPC messages, and caches the JSON text of values that are sent repeatedly. */
import type { RpcMessage } from './messages.js'

/** The cached text of values such as a list of a thousand tools. */
const prepared = new WeakMap<object, string>()

/** Caches the text of `value`, which must not change afterwards. */
export function prepare<T extends object> (value: T): T {
  prepared.set(value, JSON.stringify(value))
  return value
}

/** Maps the content of a `StructuredResult` to the result: an SDK copies results, but keeps their content. */
const origin = Symbol('the result that this content was made for')

/**
 * A result that contains its structured content twice, as a value and as text (MCP 2025-11-25, Tools,
 * Structured Content).
 */
export class StructuredResult {
  readonly content: Array<{ type: 'text', text: string }> & { [origin]?: StructuredResult }
  readonly structuredContent: Record<string, unknown>
  readonly #text: string

  /** Throws if the value is not valid JSON. */
  constructor (structuredContent: Record<string, unknown>) {
    // The compiler does not know the result of a `toJSON`.
    const text: string | undefined = JSON.stringify(structuredContent)
    if (text === undefined) throw new TypeError('structured content without a JSON form')
    this.#text = text
    this.content = [{ type: 'text', text }]
    this.content[origin] = this
    this.structuredContent = structuredContent
  }

  /** The structured result that `result` is, or is a copy of. */
  static in ({ content, structuredContent }: Record<string, unknown>): StructuredResult | undefined {
    const made = Array.isArray(content) ? (content as StructuredResult['content'])[origin] : undefined
    return made?.structuredContent === structuredContent ? made : undefined
  }

  get structuredText (): string {
    return this.#text
  }

  /** Both members as `JSON.stringify` would write them, from the existing text. */
  get json (): string {
    return `"content":[{"type":"text","text":${JSON.stringify(this.#text)}}],"structuredContent":${this.#text}`
  }
}

/** The size of the JSON text of a result in bytes; 0 if it is clearly below `max`, to avoid serializing it twice. */
export function serializedLength (result: Record<string, unknown>, max: number): number {
  const made = StructuredResult.in(result)
  // A character takes at most three bytes, and text in a string is escaped again.
  if (made !== undefined && made.structuredText.length * 10 < max) return 0
  if (made === undefined && isClearlyShorter(result.content, max)) return 0
  return Buffer.byteLength(serialize({ jsonrpc: '2.0', id: 0, result }))
}

/** For content that is only text: a character takes at most six bytes. */
function isClearlyShorter (content: unknown, max: number): boolean {
  if (!Array.isArray(content)) return false
  let length = 0
  for (const block of content as ReadonlyArray<Record<string, unknown>>) {
    if (block.type !== 'text' || typeof block.text !== 'string') return false
    length += block.text.length + 50
  }
  return length * 6 < max
}

/** The text of a message, with the existing or cached texts of the values in its result. */
export function serialize (message: RpcMessage): string {
  if (!('result' in message)) return JSON.stringify(message)
  const { id, result } = message
  const made = StructuredResult.in(result)
  if (made === undefined && !hasPrepared(result)) return JSON.stringify(message)
  let fields = made?.json ?? ''
  for (const name in result) {
    if (made !== undefined && (name === 'content' || name === 'structuredContent')) continue
    const text = textOf(result[name])
    if (text !== undefined) fields += `${fields === '' ? '' : ','}${JSON.stringify(name)}:${text}`
  }
  return `{"jsonrpc":"2.0","id":${typeof id === 'number' ? id : JSON.stringify(id)},"result":{${fields}}}`
}

function hasPrepared (result: Record<string, unknown>): boolean {
  for (const name in result) {
    const value = result[name]
    if (typeof value === 'object' && value !== null && prepared.has(value)) return true
  }
  return false
}

/** `undefined` if JSON omits the value. */
function textOf (value: unknown): string | undefined {
  const kept = typeof value === 'object' && value !== null ? prepared.get(value) : undefined
  return kept ?? JSON.stringify(value)
}
