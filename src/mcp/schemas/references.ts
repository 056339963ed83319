/**
 * `$ref` that remembers what it found: a value is judged by a definition once. Without that, a definition that
 * holds itself in two alternatives is tried on the innermost value twice for each level above it.
 */
import type { Ajv, AnySchemaObject, ErrorObject, ValidateFunction } from 'ajv'
import type { DataValidationCxt } from 'ajv/dist/types/index.js'
import type { JsonSchema } from '../../tools/content.js'
import { isRecord } from '../../lib/guards.js'
import { maxProblems } from './problems.js'
import { mapSchemas } from './subschemas.js'

export interface References {
  /** The schema to compile in the place of the one that was given. */
  readonly schema: AnySchemaObject
  /** Throws where a reference leads nowhere. Call it when the schema was compiled. */
  readonly resolve: () => void
  /** Call it after each check. */
  readonly forget: () => void
}

const keyword = '$remembered'
/** The name that the whole schema has within Ajv. */
const rootId = 'root'

/** Keywords that ask what a referenced schema looked at, or that give references another base. */
const asking = ['$id', 'unevaluatedProperties', 'unevaluatedItems', '$dynamicRef', '$recursiveRef']

/** False where the references of a schema have to stay as they are: to another document, or beside such keywords. */
export function mayRemember (schema: JsonSchema): boolean {
  return !some(
    schema,
    part => asking.some(name => name in part) || ('$ref' in part && !String(part.$ref).startsWith('#'))
  )
}

export function hasReferences (schema: JsonSchema): boolean {
  return some(schema, part => '$ref' in part || '$dynamicRef' in part || '$recursiveRef' in part)
}

function some (schema: JsonSchema, is: (part: Record<string, unknown>) => boolean): boolean {
  let found = false
  mapSchemas(schema, part => {
    found ||= is(part)
    return part
  })
  return found
}

/**
 * `undefined` where a schema has no references, or some that have to stay as they are.
 */
export function rememberReferences (ajv: Ajv, schema: JsonSchema): References | undefined {
  if (!mayRemember(schema)) return undefined
  const found = new Set<string>()
  const changed = mapSchemas(schema, ({ $ref, ...rest }) => {
    if ($ref === undefined) return rest
    found.add(String($ref))
    return { ...rest, [keyword]: $ref }
  })
  if (found.size === 0 || !isRecord(changed)) return undefined

  const validators = new Map<string, ValidateFunction>()
  let known = new Map<string, WeakMap<object, true | readonly ErrorObject[]>>()
  const resolved = (ref: string): ValidateFunction => {
    const validator = validators.get(ref) ?? ajv.getSchema(`${rootId}${ref}`)
    if (validator === undefined) throw new TypeError(`$ref ${ref} leads nowhere`)
    validators.set(ref, validator)
    return validator
  }
  ajv.addKeyword({
    keyword,
    schemaType: 'string',
    errors: true,
    compile (ref: string) {
      const judge = (data: unknown, context?: DataValidationCxt): true | readonly ErrorObject[] => {
        if (typeof data !== 'object' || data === null) return verdictOf(resolved(ref), data, context)
        let verdicts = known.get(ref)
        if (verdicts === undefined) known.set(ref, verdicts = new WeakMap())
        const verdict = verdicts.get(data) ?? verdictOf(resolved(ref), data, context)
        verdicts.set(data, verdict)
        return verdict
      }
      const validate = Object.assign((data: unknown, context?: DataValidationCxt): boolean => {
        const verdict = judge(data, context)
        validate.errors = verdict === true ? [] : [...verdict]
        return verdict === true
      }, { errors: [] as ErrorObject[] })
      return validate
    }
  })
  return {
    schema: { ...changed, $id: rootId },
    resolve () { for (const ref of found) resolved(ref) },
    forget () { known = new Map() }
  }
}

/** `true`, or the first problems: all of them would be copied once a level. */
function verdictOf (
  validate: ValidateFunction,
  data: unknown,
  context: DataValidationCxt | undefined
): true | readonly ErrorObject[] {
  if (validate(data, context)) return true
  return (validate.errors ?? []).slice(0, maxProblems)
}
