/** Validates content blocks as clients parse them: one invalid block makes a client reject the whole answer. */
import { isRecord } from '../../lib/guards.js'
import { isAnnotations } from '../../tools/content.js'

type Fields = Readonly<Record<string, (value: unknown) => boolean>>

const isText = (value: unknown): boolean => typeof value === 'string'
const orNone = (is: (value: unknown) => boolean) => (value: unknown): boolean => value === undefined || is(value)

/** Base64 without white space. */
function isBase64 (value: unknown): boolean {
  if (typeof value !== 'string') return false
  const text = /\s/.test(value) ? value.replace(/\s+/g, '') : value
  return text.length % 4 === 0 && /^[\w+/-]*={0,2}$/.test(text) && !/[_-]/.test(text)
}

const shared: Fields = { annotations: orNone(isAnnotations), _meta: orNone(isRecord) }
const media: Fields = { ...shared, data: isBase64, mimeType: isText }
const link: Fields = {
  ...shared, uri: isText, name: isText, title: orNone(isText), description: orNone(isText), mimeType: orNone(isText)
}
const fieldsByType: ReadonlyMap<unknown, Fields> = new Map([
  ['text', { ...shared, text: isText }],
  ['image', media],
  ['audio', media],
  ['resource', { ...shared, resource: value => faultOfContents(value) === undefined }],
  ['resource_link', link]
])

/** The problem with a content block, for the log; `undefined` if it is valid. */
export function faultOfBlock (block: unknown): string | undefined {
  if (!isRecord(block)) return 'a content block that is not an object'
  const fields = fieldsByType.get(block.type)
  if (fields === undefined) {
    return `a content block of type ${JSON.stringify(block.type)?.slice(0, 50)}: there are ` +
      `${[...fieldsByType.keys()].join(', ')}`
  }
  return faultOf(block, fields, `a content block of type ${String(block.type)}`)
}

/** The problem with the contents of a resource; `undefined` if they are valid. */
export function faultOfContents (contents: unknown): string | undefined {
  if (!isRecord(contents)) return 'contents that are not an object'
  const { text, blob } = contents
  if (text === undefined && blob === undefined) return 'contents with neither text nor blob'
  const fields: Fields = {
    uri: isText,
    mimeType: orNone(isText),
    text: orNone(isText),
    blob: orNone(isBase64),
    _meta: orNone(isRecord)
  }
  return faultOf(contents, fields, 'contents')
}

/** Bytes instead of base64 are the most common mistake, so the message mentions them. */
function faultOf (given: Readonly<Record<string, unknown>>, fields: Fields, what: string): string | undefined {
  const wrong = Object.keys(fields).find(name => fields[name]?.(given[name]) === false)
  if (wrong === undefined) return undefined
  if (given[wrong] === undefined) return `${what} without ${wrong}`
  const hint = given[wrong] instanceof Uint8Array ? ": bytes go out as base64 text, buffer.toString('base64')" : ''
  return `${what} whose ${wrong} clients cannot read${hint}`
}
