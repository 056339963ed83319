/** Detects unsupported kinds of schemas. */
import type { z } from 'zod'
import { isRecord } from '../../lib/guards.js'
import type { Schema } from '../../tools/content.js'

export function isZod (schema: Schema): schema is z.ZodObject {
  return '_zod' in schema
}

const wanted = 'write z.object({ … }) with zod 4, or a JSON Schema'

/** Throws a `TypeError` that says what to write instead, if a schema of this kind would check nothing. */
export function requireKnownKind (schema: unknown): void {
  if (!isRecord(schema)) {
    const isForeign = typeof schema === 'function' && '~standard' in schema
    throw new TypeError(`must be a schema, not ${isForeign ? `one of ${vendorOf(schema)}` : kindOf(schema)}; ${wanted}`)
  }
  if ('_zod' in schema) return
  if ('_def' in schema) {
    throw new TypeError(`is a schema of zod 3; ${wanted} (\`import { z } from 'zod'\`, version 4 or later)`)
  }
  if ('~standard' in schema) throw new TypeError(`is a schema of ${vendorOf(schema)}; ${wanted}`)
  if (
    Object.values(schema).some(
      value => isRecord(value) && ('_zod' in value || '_def' in value || '~standard' in value)
    )
  ) {
    throw new TypeError('is a bare shape; write z.object({ … }) around it')
  }
}

function kindOf (value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

function vendorOf (schema: object): string {
  const standard: unknown = Reflect.get(schema, '~standard')
  return isRecord(standard) && typeof standard.vendor === 'string' ? standard.vendor : 'another library'
}
