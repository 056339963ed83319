/**
 * A `$ref` that caches its results: a definition checks each value once. Without this, a definition that
 * contains itself in two alternatives doubles the checks of the innermost value with each level.
 */
import type { Ajv, AnySchemaObject, ErrorObject, ValidateFunction } from 'ajv'
import type { DataValidationCxt } from 'ajv/dist/types/index.js'
import type { JsonSchema } from '../../tools/content.js'
import { isRecord } from '../../lib/guards.js'
import { maxProblems } from './problems.js'
import { mapSchemas } from './subschemas.js'

export interface References {
  /** The schema to compile instead of the original one. */
  readonly schema: AnySchemaObject
  /** Throws if a reference cannot be resolved. Call it when the schema is compiled. */
  readonly resolve: () => void
  /** Call it after each check. */
  readonly forget: () => void
}

const keyword = '$remembered'
/** The name of the whole schema within Ajv. */
const rootId = 'root'

/** Keywords that depend on what a referenced schema evaluated, or that change the base of references. */
const uncacheable = ['$id', 'unevaluatedProperties', 'unevaluatedItems', '$dynamicRef', '$recursiveRef']

/** False if the references of a schema cannot be cached: they lead to another document, or such keywords are used. */
export function mayRemember (schema: JsonSchema): boolean {
  return !some(
    schema,
    part => uncacheable.some(name => name in part) || ('$ref' in part && !String(part.$ref).startsWith('#'))
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

/** `undefined` if a schema has no references, or if they cannot be cached. */
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
    if (validator === undefined) throw new TypeError(`$ref ${ref} does not resolve`)
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

/** `true`, or the first problems: copying all of them at each level would be slow. */
function verdictOf (
  validate: ValidateFunction,
  data: unknown,
  context: DataValidationCxt | undefined
): true | readonly ErrorObject[] {
  if (validate(data, context)) return true
  return (validate.errors ?? []).slice(0, maxProblems)
}
