/** Writes JSON-RPC messages, and keeps the text of values that are sent again and again. */
import type { RpcMessage } from './messages.js'

/** The text of values that are sent again and again, such as a list of a thousand tools. */
const prepared = new WeakMap<object, string>()

/** Keeps the text of `value`, which must not change from now on. */
export function prepare<T extends object> (value: T): T {
  prepared.set(value, JSON.stringify(value))
  return value
}

/** Leads from the content of a `StructuredResult` back to it: an SDK copies a result, and keeps what it holds. */
const origin = Symbol('the result that this content was made for')

/**
 * A result that holds its structured content twice, as a value and as a text (MCP 2025-11-25, Tools,
 * Structured Content).
 */
export class StructuredResult {
  readonly content: Array<{ type: 'text', text: string }> & { [origin]?: StructuredResult }
  readonly structuredContent: Record<string, unknown>
  readonly #text: string

  /** Throws where the value is none that JSON can hold. */
  constructor (structuredContent: Record<string, unknown>) {
    // The compiler does not know what a `toJSON` may come to.
    const text: string | undefined = JSON.stringify(structuredContent)
    if (text === undefined) throw new TypeError('structured content that is nothing in JSON')
    this.#text = text
    this.content = [{ type: 'text', text }]
    this.content[origin] = this
    this.structuredContent = structuredContent
  }

  /** What `result` is, or is a copy of. */
  static in ({ content, structuredContent }: Record<string, unknown>): StructuredResult | undefined {
    const made = Array.isArray(content) ? (content as StructuredResult['content'])[origin] : undefined
    return made?.structuredContent === structuredContent ? made : undefined
  }

  get structuredText (): string {
    return this.#text
  }

  /** Both members as `JSON.stringify` would write them, from the text that was made already. */
  get json (): string {
    return `"content":[{"type":"text","text":${JSON.stringify(this.#text)}}],"structuredContent":${this.#text}`
  }
}

/** Bytes of the JSON text of a result, or 0 where it has clearly fewer than `max`: most are not worth a second text. */
export function serializedLength (result: Record<string, unknown>, max: number): number {
  const made = StructuredResult.in(result)
  // A character takes three bytes at most, and what stands in a text is escaped once more.
  if (made !== undefined && made.structuredText.length * 10 < max) return 0
  if (made === undefined && isClearlyShorter(result.content, max)) return 0
  return Buffer.byteLength(serialize({ jsonrpc: '2.0', id: 0, result }))
}

/** Of content that is texts alone: no character takes more than six bytes. */
function isClearlyShorter (content: unknown, max: number): boolean {
  if (!Array.isArray(content)) return false
  let length = 0
  for (const block of content as ReadonlyArray<Record<string, unknown>>) {
    if (block.type !== 'text' || typeof block.text !== 'string') return false
    length += block.text.length + 50
  }
  return length * 6 < max
}

/** The text of a message, taking what was made or kept already for the values of its result. */
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

/** `undefined` for what JSON leaves out. */
function textOf (value: unknown): string | undefined {
  const kept = typeof value === 'object' && value !== null ? prepared.get(value) : undefined
  return kept ?? JSON.stringify(value)
}
