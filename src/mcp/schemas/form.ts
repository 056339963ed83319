/** The schema of a form as clients show it: a flat object of primitives (MCP 2025-11-25, Elicitation). */
import { isRecord } from '../../lib/guards.js'
import type { JsonSchema, Schema } from '../../tools/content.js'
import { isZod } from './kinds.js'
import { wireOfZod } from './zod-schema.js'

/** A JSON Schema is sent unchanged. Throws a `TypeError` if a zod object has a field that forms do not support. */
export function formSchemaOf (schema: Schema): JsonSchema {
  if (!isZod(schema)) return schema
  const { type, title, description, properties = {}, required } = wireOfZod(schema, 'input')
  const fields = Object.entries(properties as Record<string, unknown>).map(([name, field]) => [
    name,
    fieldOf(name, field)
  ])
  return {
    type,
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    properties: Object.fromEntries(fields) as object,
    ...(required === undefined ? {} : { required })
  }
}

const primitives: ReadonlySet<unknown> = new Set(['string', 'number', 'integer', 'boolean'])

function fieldOf (name: string, field: unknown): object {
  if (!isRecord(field)) throw new TypeError(`Form: ${name} must be a field`)
  const isChoice = field.type === 'array' && isRecord(field.items) && Array.isArray(field.items.enum)
  if (!primitives.has(field.type) && !isChoice) {
    throw new TypeError(`Form: ${name} must be a string, a number, a boolean, an enum, or an array of enum values`)
  }
  // The pattern belongs to a format, which clients know.
  const { pattern, ...rest } = field
  return field.format === undefined ? field : rest
}
