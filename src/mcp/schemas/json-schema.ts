/** Checks values against a raw JSON Schema, with bounded work and bounded messages. */
import { Ajv, type ErrorObject, type FuncKeywordDefinition } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { JsonSchema } from '../../tools/content.js'
import { canonicalJson } from '../../lib/canonical-json.js'
import { isRecord } from '../../lib/guards.js'
import { TooMuchWork, WorkBudget, tooMuchWork } from './budget.js'
import { formats } from './formats.js'
import { createPattern } from './patterns.js'
import { maxProblems, pathText, problemText } from './problems.js'
import { hasReferences, mayRemember, rememberReferences } from './references.js'
import { mapSchemas } from './subschemas.js'

export type JsonVerdict = { readonly ok: true } | { readonly ok: false, readonly problem: string }

/** Added to each schema, so that a validator counts its work: how many schemas check the same value. */
const counted = '$work'

/**
 * Compiles a JSON Schema once, with the draft in its `$schema`, or 2020-12. Throws if it
 * does not compile, or if a `pattern` in it may take exponential time. Formats defined by the
 * specification are checked; any other format is an annotation (JSON Schema 2020-12, Validation §7.2.3).
 */
export function compileJsonSchema (schema: JsonSchema): (value: unknown) => JsonVerdict {
  // Without cached references, errors are copied from level to level.
  const budget = new WorkBudget(hasReferences(schema) && !mayRemember(schema) ? 0.25 : 1)
  // Ajv would try to resolve an unknown `$schema`, and fail.
  const { $schema, ...body } = schema
  const AjvOfDraft = ajvFor($schema)
  const ajv = new AjvOfDraft({
    strict: false,
    allErrors: false,
    validateSchema: false,
    logger: false,
    formats,
    code: { regExp: Object.assign(createPattern, { code: 'createPattern' }) }
  })
  for (const slow of ['uniqueItems', 'enum']) ajv.removeKeyword(slow)
  // First of all keywords, so that a value that fails another keyword is counted too.
  ajv.addKeyword({ keyword: counted, schemaType: 'object', errors: false, before: '$ref', validate: countOn(budget) })
  ajv.addKeyword({ keyword: 'uniqueItems', type: 'array', schemaType: 'boolean', validate: uniquenessOn(budget) })
  ajv.addKeyword({
    keyword: 'enum',
    schemaType: 'array',
    errors: false,
    error: { message: 'must be equal to one of the allowed values' },
    compile: values => membershipOn(budget, values)
  })
  const counting = mapSchemas(body, copy => ({ ...copy, [counted]: workOf(copy) })) as JsonSchema
  const references = rememberReferences(ajv, counting)
  const validate = ajv.compile(references?.schema ?? counting)
  references?.resolve()
  return value => {
    budget.renew()
    try {
      return validate(value) ? { ok: true } : { ok: false, problem: problemOf(validate.errors ?? []) }
    } catch (error) {
      if (error instanceof TooMuchWork) return { ok: false, problem: tooMuchWork }
      throw error
    } finally {
      // Errors hold parts of the caller's value until the next check.
      validate.errors = null
      references?.forget()
    }
  }
}

/** The drafts differ: `items` with a list is a tuple up to 2019-09. */
function ajvFor ($schema: unknown): typeof Ajv | typeof Ajv2019 | typeof Ajv2020 {
  if (typeof $schema !== 'string') return Ajv2020
  if (/draft-0[67]/.test($schema)) return Ajv
  return $schema.includes('2019-09') ? Ajv2019 : Ajv2020
}

interface Work {
  /** How many schemas check the value, and each of its members or characters. */
  readonly weight: number
  /** How many members are looked up by name, whether they exist or not. */
  readonly names: number
}

/**
 * Counts the schema itself, its parts that check the same value, and its checks of each member. The parts were
 * compiled before and are counted here, because a part that fails at its type would not count itself.
 */
function workOf (schema: Record<string, unknown>): Work {
  const { allOf, anyOf, oneOf, dependentSchemas, dependencies, patternProperties, properties, contains } = schema
  const lists = [allOf, anyOf, oneOf, [schema.not, schema.if, schema.then, schema.else]]
  const maps = [dependentSchemas, dependencies].map(map => isRecord(map) ? Object.values(map) : [])
  let weight =
    1 +
    (isRecord(patternProperties) ? Object.keys(patternProperties).length : 0) +
    (contains === undefined ? 0 : itemWeight)
  let names = isRecord(properties) ? Object.keys(properties).length : 0
  for (const part of [...lists, ...maps].flat()) {
    if (!isRecord(part) || !isRecord(part[counted])) continue
    weight += Number(part[counted].weight)
    names += Number(part[counted].names)
    delete part[counted]
  }
  return { weight, names }
}

/** `contains` checks each item, and records the errors of each. */
const itemWeight = 8

function countOn (budget: WorkBudget): NonNullable<FuncKeywordDefinition['validate']> {
  return ({ weight, names }: Work, data: unknown) => {
    if (isRecord(data)) budget.spendOnMembers(data, weight, names)
    else budget.spend(data, weight)
    return true
  }
}

/** Not one comparison per value: a list of 90,000 values and an `enum` of 5,000 take ten seconds. */
function membershipOn (budget: WorkBudget, allowed: readonly unknown[]): (value: unknown) => boolean {
  const isPlain = (value: unknown): boolean => typeof value !== 'object' || value === null
  const plain = new Set(allowed.filter(isPlain))
  const texts = new Set(allowed.filter(value => !isPlain(value)).map(canonicalJson))
  return value => {
    if (isPlain(value)) return plain.has(value)
    if (texts.size === 0) return false
    const text = canonicalJson(value)
    budget.spend(text, 1, text.length / 16)
    return texts.has(text)
  }
}

/** Compares the texts of the items in one pass: comparing all pairs takes seconds for 20,000 items. */
function uniquenessOn (budget: WorkBudget): NonNullable<FuncKeywordDefinition['validate']> {
  return (isWanted: unknown, items: unknown) => {
    if (isWanted !== true || !Array.isArray(items)) return true
    const seen = new Set<string>()
    for (const item of items) {
      const text = canonicalJson(item)
      budget.spend(text, 1, text.length / 16)
      seen.add(text)
    }
    return seen.size === items.length
  }
}

function problemOf (errors: readonly ErrorObject[]): string {
  return problemText(errors.slice(0, maxProblems).map(describe), errors.length)
}

function describe (error: ErrorObject): string {
  const path = error.instancePath.split('/').slice(1)
  // These errors concern a field but are reported for the object around it.
  const { missingProperty, additionalProperty, unevaluatedProperty, propertyName } = error.params
  const field: unknown = missingProperty ?? additionalProperty ?? unevaluatedProperty ?? propertyName
  if (field !== undefined) path.push(String(field))
  return `${pathText(path)}: ${error.message ?? 'invalid'}`
}
