/** Turns the return value of a handler into a valid tool result. */
import { isRecord } from '../../lib/guards.js'
import type { Content } from '../../tools/content.js'
import type { ToolResult } from '../../tools/tool.js'
import type { CompiledSchema } from '../schemas/compile.js'
import { isPlainJson } from '../wire/plain-json.js'
import { StructuredResult } from '../wire/serialize.js'
import { faultOfBlock } from './content.js'

/**
 * The result of the tool `name`. Checks the serialized form, because that is what the caller parses. Throws a
 * `TypeError`, or rejects with one, that names the tool and the problem.
 */
export function toolResultOf (
  name: string,
  output: CompiledSchema | undefined,
  given: unknown
): ToolResult | Promise<ToolResult> {
  if (typeof given === 'string') {
    if (output === undefined) return { content: [textBlock(given)] }
    throw wrong(name, 'a string, but has an output schema: return structuredContent')
  }
  if (!isRecord(given)) throw wrong(name, 'neither a string nor a result')
  const { content, structuredContent, isError, _meta } = withoutNulls(given)
  if (
    content === undefined &&
    structuredContent === undefined &&
    isError === undefined &&
    _meta === undefined
  ) {
    throw wrong(name, 'an object that is not a result: return { structuredContent } or a string')
  }
  if (content !== undefined && !isContent(content)) throw wrong(name, faultOfContent(content))
  if (_meta !== undefined && !isRecord(_meta)) throw wrong(name, 'a _meta that is not an object')
  if (isError !== undefined && typeof isError !== 'boolean') {
    throw wrong(name, 'an isError that is neither true nor false')
  }
  try {
    if (isError === true) return dressed(failure(content, structuredContent, output), _meta)
    if (output === undefined) return dressed(withoutSchema(content, structuredContent), _meta)
    const fitted = fit(structuredContent, output)
    if (!(fitted instanceof Promise)) return dressed(withText(requireFit(fitted), content), _meta)
    return fitted
      .then(made => dressed(withText(requireFit(made), content), _meta))
      .catch(error => { throw wrong(name, wordsOf(error)) })
  } catch (error) {
    throw wrong(name, wordsOf(error))
  }
}

function wrong (name: string, what: string): TypeError {
  return new TypeError(`${name} returned ${what}`)
}

function dressed (result: ToolResult, _meta: Record<string, unknown> | undefined): ToolResult {
  return _meta === undefined ? result : { ...result, _meta }
}

/** Many handlers return null for missing members. */
function withoutNulls (given: Record<string, unknown>): Partial<Record<keyof ToolResult, unknown>> {
  const { content, structuredContent, isError, _meta } = given
  return {
    content: content ?? undefined,
    structuredContent: structuredContent ?? undefined,
    isError: isError ?? undefined,
    _meta: _meta ?? undefined
  }
}

/** The value in its serialized form if it matches the schema, or else the problem. */
type Fit = { readonly value: Record<string, unknown> } | { readonly problem: string }

/** A value that JSON changes is checked in its changed form. */
function fit (value: unknown, output: CompiledSchema): Fit | Promise<Fit> {
  if (value === undefined) return { problem: 'structuredContent is missing' }
  const judged = output.check(output.isWireForm && !isPlainJson(value) ? inJson(value) : value)
  if (judged instanceof Promise) return judged.then(checked => checked.ok ? fitOnWire(checked.value, output) : checked)
  return judged.ok ? fitOnWire(judged.value, output) : judged
}

function fitOnWire (value: unknown, output: CompiledSchema): Fit {
  if (!isPlainJson(value)) {
    const sent = inJson(value)
    const verdict = output.checkWire(sent)
    if (!verdict.ok) return { problem: `${verdict.problem} (as JSON writes it)` }
    value = sent
  }
  return isRecord(value) ? { value } : { problem: 'structuredContent must be an object' }
}

function requireFit (made: Fit): Record<string, unknown> {
  if ('problem' in made) throw new TypeError(`a result that does not match its output schema: ${made.problem}`)
  return made.value
}

/** Clients also check the content of an error against the output schema, and would discard its text with it. */
function failure (content: Content[] | undefined, structured: unknown, output: CompiledSchema | undefined): ToolResult {
  if (structured === undefined) return { content: content ?? [], isError: true }
  const sent = inJson(structured)
  const told = { content: content ?? [textBlock(JSON.stringify(sent))], isError: true }
  if (!isRecord(sent) || (output !== undefined && !output.checkWire(sent).ok)) return told
  return { ...told, structuredContent: sent }
}

/** Structured content must be an object (MCP 2025-11-25, Tools, Structured Content). Other values are sent as text. */
function withoutSchema (content: Content[] | undefined, structured: unknown): ToolResult {
  if (structured === undefined) return { content: content ?? [] }
  const sent = isPlainJson(structured) ? structured : inJson(structured)
  if (isRecord(sent)) return withText(sent, content)
  return { content: content ?? [textBlock(JSON.stringify(sent))] }
}

function withText (structuredContent: Record<string, unknown>, content: Content[] | undefined): ToolResult {
  return content === undefined ? new StructuredResult(structuredContent) : { content, structuredContent }
}

/** The value that a reader parses from the JSON text of `value`. */
function inJson (value: unknown): unknown {
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new TypeError('structuredContent that is not valid JSON')
  return JSON.parse(text)
}

function wordsOf (error: unknown): string {
  return error instanceof TypeError ? error.message : String(error)
}

function textBlock (text: string): Content {
  return { type: 'text', text }
}

function isContent (content: unknown): content is Content[] {
  return Array.isArray(content) && content.every(block => faultOfBlock(block) === undefined)
}

function faultOfContent (content: unknown): string {
  if (!Array.isArray(content)) return 'content that is not an array of content blocks'
  return content.map(faultOfBlock).find(fault => fault !== undefined) ?? 'content that cannot be read'
}
