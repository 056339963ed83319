/** Finds the parts of a JSON Schema that are schemas; all others are data or values of keywords. */
import { isRecord } from '../../lib/guards.js'

/** Keywords whose value is data. */
const dataKeywords: ReadonlySet<string> = new Set([
  'const',
  'enum',
  'default',
  'example',
  'examples',
  'dependentRequired',
  'required',
  'type',
  '$vocabulary',
  'discriminator'
])
/** Keywords whose value maps names to schemas. */
const namedKeywords: ReadonlySet<string> = new Set([
  'properties', 'patternProperties', 'dependentSchemas', 'dependencies', '$defs', 'definitions'
])

/** True if the value of `keyword` maps names to schemas. */
export function holdsNames (keyword: string): boolean {
  return namedKeywords.has(keyword)
}

/** True if the value of `keyword` is data that may look like a schema. */
export function holdsData (keyword: string): boolean {
  return dataKeywords.has(keyword)
}

/** A copy of `schema` with `change` applied to a copy of each schema in it. Booleans stay. */
export function mapSchemas (
  schema: unknown,
  change: (copy: Record<string, unknown>) => Record<string, unknown>
): unknown {
  if (Array.isArray(schema)) return schema.map(one => mapSchemas(one, change))
  if (!isRecord(schema)) return schema
  const copy: Record<string, unknown> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (holdsData(keyword)) copy[keyword] = value
    else if (holdsNames(keyword) && isRecord(value)) {
      copy[keyword] = Object.fromEntries(
        Object.entries(value).map(([name, one]) => [name, mapSchemas(one, change)])
      )
    } else copy[keyword] = mapSchemas(value, change)
  }
  return change(copy)
}
