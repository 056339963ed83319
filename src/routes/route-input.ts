/** Builds the flat input schema of a route's tool: path parameters, query parameters and body members. */
import type { FastifySchema } from 'fastify'
import { isRecord } from '../lib/guards.js'
import { isZod, requireKnownKind } from '../mcp/schemas/kinds.js'
import { mapSchemas } from '../mcp/schemas/subschemas.js'
import { wireOfZod } from '../mcp/schemas/zod-schema.js'
import type { JsonSchema } from '../tools/content.js'
import type { RoutePath } from './route-path.js'

/** Where an argument goes. `body`: it is the whole body. */
type PartOfRequest = 'params' | 'querystring' | 'member' | 'body'

export interface RouteInput {
  readonly schema: JsonSchema
  /** Where each argument goes, and its name there. */
  readonly places: ReadonlyMap<string, { readonly place: PartOfRequest, readonly name: string }>
  readonly hasBody: boolean
}

type Schemas = Readonly<Record<string, unknown>>

interface Part {
  readonly properties: Schemas
  readonly required: readonly string[]
  /** The whole schema, if it is not a plain object of properties. */
  readonly whole?: JsonSchema | undefined
}

/** `shared`: the schemas from `addSchema`, by `$id`. Throws a `TypeError` if the input cannot be flat. */
export function inputOf (schema: FastifySchema, path: RoutePath, shared: Schemas): RouteInput {
  const references = new SchemaReferences(shared)
  const places = new Map<string, { place: PartOfRequest, name: string }>()
  const properties: Record<string, unknown> = {}
  const required: string[] = []
  const put = (argument: string, place: PartOfRequest, name: string, property: unknown, isRequired: boolean): void => {
    const other = places.get(argument)
    if (other !== undefined) {
      throw new TypeError(
        `${argument} is in ${wordsOf[other.place]} and in ${wordsOf[place]}; arguments of a tool are flat: rename one`
      )
    }
    places.set(argument, { place, name })
    Object.defineProperty(properties, argument, { value: property, enumerable: true })
    if (isRequired) required.push(argument)
  }
  requireNoHeaders(schema.headers)
  requireJson((schema as { consumes?: unknown }).consumes)

  const params = partOf('params', schema.params, references)
  if (params.whole !== undefined) throw new TypeError('schema.params must be an object schema with properties')
  for (const [at, name] of path.parameters.entries()) {
    const isOptional = path.isLastOptional && at === path.parameters.length - 1
    // Not every client accepts `*` in a name.
    put(name === '*' ? 'path' : name, 'params', name, ownOf(params.properties, name) ?? { type: 'string' }, !isOptional)
  }

  const query = partOf('querystring', schema.querystring ?? (schema as { query?: unknown }).query, references)
  if (query.whole !== undefined) throw new TypeError('schema.querystring must be an object schema with properties')
  for (const [name, property] of Object.entries(query.properties)) {
    put(name, 'querystring', name, property, query.required.includes(name))
  }

  const given = jsonOf(schema.body)
  const body = partOf('body', given, references)
  if (body.whole !== undefined) put('body', 'body', 'body', body.whole, true)
  for (const [name, property] of Object.entries(body.properties)) {
    put(name, 'member', name, property, body.required.includes(name))
  }

  const definitions = references.definitions()
  return {
    schema: {
      type: 'object',
      properties,
      ...(required.length === 0 ? {} : { required }),
      // An unknown argument would be silently ignored.
      additionalProperties: false,
      ...(Object.keys(definitions).length === 0 ? {} : { $defs: definitions })
    },
    places,
    hasBody: given !== undefined
  }
}

const wordsOf: Readonly<Record<PartOfRequest, string>> = {
  params: 'the path',
  querystring: 'the query',
  member: 'the body',
  body: 'the body'
}

/** Fastify allows a schema per media type. */
function jsonOf (body: unknown): unknown {
  if (!isRecord(body) || !isRecord(body.content)) return body
  const json = body.content['application/json']
  if (!isRecord(json)) throw new TypeError('schema.body must have application/json, the only type that a tool sends')
  return json.schema
}

/** Refuses required headers, because a tool sends only its own. */
function requireNoHeaders (headers: unknown): void {
  const required = isRecord(headers) && Array.isArray(headers.required) ? headers.required : []
  if (required.length === 0) return
  throw new TypeError(`schema.headers requires ${required.join(', ')}, which a tool cannot send`)
}

/** `consumes` is for `@fastify/swagger`. Hosts set it for forms and files. */
function requireJson (consumes: unknown): void {
  if (!Array.isArray(consumes) || consumes.includes('application/json')) return
  throw new TypeError(`schema.consumes must have application/json: a tool sends no other, not ${consumes.join(', ')}`)
}

function partOf (name: string, given: unknown, references: SchemaReferences): Part {
  if (given === undefined || given === null) return { properties: {}, required: [] }
  const { schema, document } = references.resolve(name, jsonSchemaOf(name, given))
  const { properties, required, additionalProperties } = schema
  const isList =
    isRecord(properties) &&
    (schema.type === undefined || schema.type === 'object') &&
    additionalProperties !== true &&
    !isRecord(additionalProperties) &&
    composing.every(keyword => !(keyword in schema))
  const whole = references.rewritten(schema, document)
  if (!isList) return { properties: {}, required: [], whole }
  return {
    properties: isRecord(whole.properties) ? whole.properties : {},
    required: Array.isArray(required) ? required.map(String) : []
  }
}

/** Keywords that make an object schema more than a list of properties. */
const composing = [
  'allOf', 'anyOf', 'oneOf', 'not', 'if', '$ref', 'patternProperties', 'dependentSchemas', 'dependencies'
]

/** Routes may have zod schemas if the app has a type provider for them. */
function jsonSchemaOf (name: string, given: unknown): Record<string, unknown> {
  try {
    requireKnownKind(given)
  } catch (error) {
    throw new TypeError(`schema.${name} ${error instanceof Error ? error.message : 'is not known'}`)
  }
  if (!isRecord(given)) throw new TypeError(`schema.${name} must be a schema`)
  return isZod(given) ? wireOfZod(given, 'input') : given
}

function ownOf (schemas: Schemas, name: string): unknown {
  return Object.hasOwn(schemas, name) ? schemas[name] : undefined
}

/** The longest chain of references that is followed. */
const maxHops = 16

/**
 * Resolves references to shared schemas and within a schema. Their targets are copied to `$defs`, once each.
 */
class SchemaReferences {
  readonly #shared: Schemas
  readonly #documents = new Map<string, unknown>()
  /** The names of the targets in `$defs`. */
  readonly #names = new Map<string, string>()

  constructor (shared: Schemas) {
    this.#shared = shared
  }

  /** Follows a schema that is itself a reference. */
  resolve (name: string, part: Record<string, unknown>): { schema: Record<string, unknown>, document: string } {
    let document = name
    let schema = part
    this.#documents.set(document, part)
    for (let hop = 0; typeof schema.$ref === 'string'; hop++) {
      const [id, pointer] = this.#target(schema.$ref, document)
      const found = pointerInto(this.#documents.get(id), pointer)
      if (hop > maxHops || !isRecord(found)) throw new TypeError(`schema.${name}: ${schema.$ref} does not resolve`)
      document = id
      schema = found
    }
    return { schema, document }
  }

  /** A copy of `schema`, from `document`, whose references point to `$defs`. */
  rewritten (schema: unknown, document: string): Record<string, unknown> {
    const copy = mapSchemas(schema, ({ $id: _, $ref, ...rest }) => {
      if (typeof $ref !== 'string') return rest
      const [id, pointer] = this.#target($ref, document)
      return { ...rest, $ref: `#/$defs/${this.#nameOf(id)}${pointer}` }
    })
    return isRecord(copy) ? copy : {}
  }

  /** All referenced schemas, including those that they reference. */
  definitions (): Record<string, unknown> {
    const found: Record<string, unknown> = {}
    // Rewriting a schema may append further names during this iteration.
    for (const [id, name] of this.#names) found[name] = this.rewritten(this.#documents.get(id), id)
    return found
  }

  /** A name that needs no escaping in a JSON Pointer. */
  #nameOf (id: string): string {
    const known = this.#names.get(id)
    if (known !== undefined) return known
    const plain = id.replace(/^shared /, '').replace(/[^\w.-]/g, '_')
    const isTaken = [...this.#names.values()].includes(plain)
    const name = isTaken ? `${plain}-${this.#names.size}` : plain
    this.#names.set(id, name)
    return name
  }

  /** The document that a reference leads to, and the JSON Pointer within it. */
  #target ($ref: string, document: string): readonly [id: string, pointer: string] {
    const [base = '', pointer = ''] = $ref.split('#', 2)
    if (pointer !== '' && !pointer.startsWith('/')) {
      throw new TypeError(`${$ref}: references by anchor are not supported`)
    }
    if (base === '') return [document, pointer]
    const known = ownOf(this.#shared, base) ?? ownOf(this.#shared, `${base}#`)
    if (known === undefined) throw new TypeError(`${$ref}: no schema of this name was added to the app`)
    this.#documents.set(`shared ${base}`, known)
    return [`shared ${base}`, pointer]
  }
}

function pointerInto (document: unknown, pointer: string): unknown {
  return pointer.split('/').slice(1).reduce<unknown>((at, step) => {
    const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
    return typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? (at as Schemas)[name] : undefined
  }, document)
}
