/** Treats zod and JSON Schema alike: compiles a schema to a check and the form that callers see. */
import type { JsonSchema, Schema } from '../../tools/content.js'
import { isRecord } from '../../lib/guards.js'
import { compileJsonSchema } from './json-schema.js'
import { isZod, requireKnownKind } from './kinds.js'
import { requireSafePatterns } from './patterns.js'
import { type Checked, compileZodSchema, wireOfZod } from './zod-schema.js'

export interface CompiledSchema {
  readonly check: (value: unknown) => Checked | Promise<Checked>
  /** True if the schema checks the serialized form in any case, as every JSON Schema does. */
  readonly isWireForm: boolean
  /** Checks a value of an answer in its serialized form, as its reader will. */
  readonly checkWire: (value: unknown) => { readonly ok: true } | { readonly ok: false, readonly problem: string }
  /** The schema as lists show it. A JSON Schema is passed on unchanged. */
  readonly wire: JsonSchema
}

/** Compiles a schema once. Throws a `TypeError` if it is neither a zod object nor a valid JSON Schema. */
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
  // Rarely needed: plain JSON is the same value that zod has checked.
  let judge: ReturnType<typeof compileJsonSchema> | undefined
  return {
    check: compileZodSchema(schema, io),
    isWireForm: false,
    checkWire: value => (judge ??= compileJsonSchema(wire))(value),
    wire
  }
}

/**
 * Compiles the schema of a tool. Also throws if it is not the schema of an object (MCP 2025-11-25, Tools), because
 * clients of the SDKs reject the whole list for one such tool.
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
    throw new TypeError('each property must be an object; write {} to allow any value')
  }
  if (!Array.isArray(required) || !required.every(name => typeof name === 'string')) {
    throw new TypeError('`required` must be an array of names')
  }
  return compiled
}

export type { Checked }
