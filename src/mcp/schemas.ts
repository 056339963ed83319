/** Schemas of both kinds, zod and JSON Schema, as one: a check, and the form that callers see. */
import { Ajv, type ErrorObject } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { z } from 'zod'
import type { JsonSchema, Schema } from '../tools/tool.js'
import { isModest } from './wire/messages.js'
import { isRecord } from '../lib/guards.js'

/** Clients of the 2025 revisions compile schemas as draft-07, those of 2026-07-28 as 2020-12. */
export type Dialect = 'draft-7' | 'draft-2020-12'

export type Checked =
  | { readonly ok: true, readonly value: Record<string, unknown> }
  | { readonly ok: false, readonly problem: string }

export interface CompiledSchema {
  check: (value: unknown) => Checked | Promise<Checked>
  /** A JSON Schema given by the tool's author is passed on untouched. */
  readonly wire: Readonly<Record<Dialect, JsonSchema>>
}

/** Compiles a schema once. Throws where it is neither a zod object nor a JSON Schema that compiles. */
export function compile (schema: Schema, io: 'input' | 'output'): CompiledSchema {
  return isZod(schema) ? compileZod(schema, io) : compileJson(schema)
}

/**
 * Compiles the schema of a tool. Throws, too, where it is none of an object (MCP 2025-11-25, Tools): the
 * clients of the SDKs refuse a whole list for one such tool.
 */
export function compileObject (schema: Schema, io: 'input' | 'output'): CompiledSchema {
  const compiled = compile(schema, io)
  const { type, properties = {}, required = [] } = compiled.wire['draft-7']
  if (type !== 'object') throw new TypeError("say `type: 'object'` at its top, as z.object() does; anything else goes into a property")
  if (!isRecord(properties) || !Object.values(properties).every(isRecord)) throw new TypeError('each of its properties is an object; write {} for one that may be anything')
  if (!Array.isArray(required) || !required.every(name => typeof name === 'string')) throw new TypeError('`required` is a list of names')
  return compiled
}

function isZod (schema: Schema): schema is z.ZodObject {
  return '_zod' in schema
}

function compileZod (schema: z.ZodObject, io: 'input' | 'output'): CompiledSchema {
  const wire = (target: Dialect): JsonSchema => z.toJSONSchema(schema, { target, io })
  const judge = (result: z.ZodSafeParseResult<Record<string, unknown>>): Checked => result.success
    ? { ok: true, value: result.data }
    : { ok: false, problem: problemOf(result.error.issues) }
  return {
    check: value => {
      // A context takes most of the time of a check, and is for what a caller sends in masses.
      const context = io === 'output' || (isRecord(value) && isModest(value)) ? undefined : fewWords()
      try {
        return judge(schema.safeParse(value, context))
      } catch (error) {
        if (error instanceof z.core.$ZodAsyncError) return schema.safeParseAsync(value, context).then(judge)
        throw error
      }
    },
    wire: { 'draft-7': wire('draft-7'), 'draft-2020-12': wire('draft-2020-12') }
  }
}

/** What is wrong is told of the first few; a body of a megabyte has room for half a million. */
const maxProblems = 10
const maxProblemLength = 2000
/** Those inside of unions count, and come first. */
const maxWorded = 1000

/** No words for what nobody will read: making them takes longer than all the rest. */
function fewWords (): z.core.ParseContext<z.core.$ZodIssue> {
  let count = 0
  return { error: () => ++count > maxWorded ? 'invalid' : undefined }
}

function problemOf (issues: readonly z.core.$ZodIssue[]): string {
  const told = issues.slice(0, maxProblems).map(({ path, message }) => `${pathOf(path)}: ${message}`).join('; ')
  const short = told.length > maxProblemLength ? `${told.slice(0, maxProblemLength)}…` : told
  return issues.length > maxProblems ? `${short}; and ${issues.length - maxProblems} more` : short
}

/** The drafts differ in what they make of a word: `items` with a list is a tuple until 2019-09. */
function ajvFor (schema: unknown): typeof Ajv | typeof Ajv2019 | typeof Ajv2020 {
  if (typeof schema !== 'string') return Ajv2020
  return /draft-0[67]/.test(schema) ? Ajv : schema.includes('2019-09') ? Ajv2019 : Ajv2020
}

function compileJson (schema: JsonSchema): CompiledSchema {
  const AjvOfDraft = ajvFor(schema.$schema)
  const ajv = new AjvOfDraft({ strict: false, allErrors: false, validateSchema: false, logger: false })
  formats.default(ajv)
  // Ajv would look a `$schema` that it does not hold up, and fail.
  const { $schema: _, ...body } = schema
  const validate = ajv.compile<Record<string, unknown>>(body)
  return {
    check: value => validate(value)
      ? { ok: true, value }
      : { ok: false, problem: (validate.errors ?? []).map(describe).join('; ') },
    wire: { 'draft-7': schema, 'draft-2020-12': schema }
  }
}

function describe (error: ErrorObject): string {
  const path = error.instancePath.split('/').slice(1)
  // These speak of a field, and stand at the object around it.
  const { missingProperty, additionalProperty, unevaluatedProperty, propertyName } = error.params
  const field: unknown = missingProperty ?? additionalProperty ?? unevaluatedProperty ?? propertyName
  if (field !== undefined) path.push(String(field))
  return `${pathOf(path)}: ${error.message ?? 'invalid'}`
}

function pathOf (path: readonly PropertyKey[]): string {
  return path.length === 0 ? 'arguments' : path.map(String).join('.')
}
