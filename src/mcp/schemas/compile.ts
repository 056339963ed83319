/** Schemas of both kinds, zod and JSON Schema, as one: a check, and the form that callers see. */
import type { JsonSchema, Schema } from '../../tools/content.js'
import { isRecord } from '../../lib/guards.js'
import { compileJsonSchema } from './json-schema.js'
import { isZod, requireKnownKind } from './kinds.js'
import { requireSafePatterns } from './patterns.js'
import { type Checked, compileZodSchema, wireOfZod } from './zod-schema.js'

export interface CompiledSchema {
  readonly check: (value: unknown) => Checked | Promise<Checked>
  /** It judges the form on the wire in any case: a JSON Schema knows no other. */
  readonly isWireForm: boolean
  /** Judges what stands in an answer, as its reader will: by the form on the wire. */
  readonly checkWire: (value: unknown) => { readonly ok: true } | { readonly ok: false, readonly problem: string }
  /** As lists show it. A JSON Schema given by the tool's author is passed on untouched. */
  readonly wire: JsonSchema
}

/** Compiles a schema once. Throws a `TypeError` where it is neither a zod object nor a JSON Schema that compiles. */
export function compile (schema: Schema, io: 'input' | 'output'): CompiledSchema {
  requireKnownKind(schema)
  if (!isZod(schema)) {
    const judge = compileJsonSchema(schema)
    const check = (value: unknown): Checked => {
      const verdict = judge(value)
      return verdict.ok ? { ok: true, value: value as Record<string, unknown> } : verdict
    }
    return { check, isWireForm: true, checkWire: judge, wire: schema }
  }
  const wire = wireOfZod(schema, io)
  if (io === 'input') requireSafePatterns(wire)
  // Few results need it: what is plain JSON reads as zod saw it.
  let judge: ReturnType<typeof compileJsonSchema> | undefined
  return {
    check: compileZodSchema(schema, io),
    isWireForm: false,
    checkWire: value => (judge ??= compileJsonSchema(wire))(value),
    wire
  }
}

/**
 * Compiles the schema of a tool. Throws, too, where it is none of an object (MCP 2025-11-25, Tools): the
 * clients of the SDKs refuse a whole list for one such tool.
 */
export function compileObject (schema: Schema, io: 'input' | 'output'): CompiledSchema {
  const compiled = compile(schema, io)
  const { type, properties = {}, required = [] } = compiled.wire
  if (type !== 'object') {
    throw new TypeError(
      "say `type: 'object'` at its top, as z.object() does; anything else goes into a property"
    )
  }
  if (!isRecord(properties) || !Object.values(properties).every(isRecord)) {
    throw new TypeError('each of its properties is an object; write {} for one that may be anything')
  }
  if (!Array.isArray(required) || !required.every(name => typeof name === 'string')) {
    throw new TypeError('`required` is a list of names')
  }
  return compiled
}

export type { Checked }
