/** A recursive schema, and the problem that a schema reports for a value. */
import type { Schema } from '../../src/tools/content.js'
import { compile } from '../../src/mcp/schemas/compile.js'

const group = (type: string): object => ({
  type: 'object',
  properties: { children: { type: 'array', items: { $ref: '#/$defs/filter' } }, type: { const: type } },
  required: ['children', 'type']
})
const leaf = {
  type: 'object',
  properties: { field: { type: 'string' } },
  required: ['field'],
  additionalProperties: false
}

/** A filter of and/or groups that validates children before their type. */
export const recursive = {
  type: 'object',
  properties: { filter: { $ref: '#/$defs/filter' } },
  required: ['filter'],
  $defs: { filter: { anyOf: [group('and'), group('or'), leaf] } }
}

export const problem = async (schema: Schema, value: unknown): Promise<string | undefined> => {
  const checked = await compile(schema, 'input').check(value)
  return checked.ok ? undefined : checked.problem
}
