/** Checks values by a zod object, with bounded work and bounded words. */
import { z } from '../../lib/zod.js'
import type { JsonSchema } from '../../tools/content.js'
import { isRecord } from '../../lib/guards.js'
import { isModest } from '../wire/messages.js'
import { TooMuchWork, WorkBudget, tooMuchWork } from './budget.js'
import { maxProblems, pathText, problemText } from './problems.js'

export type Checked =
  | { readonly ok: true, readonly value: Record<string, unknown> }
  | { readonly ok: false, readonly problem: string }

type Check = (value: unknown) => Checked | Promise<Checked>
type Result = z.ZodSafeParseResult<Record<string, unknown>>

/** `io`: what is sent comes from a caller only where it is an input. */
export function compileZodSchema (schema: z.ZodObject, io: 'input' | 'output'): Check {
  const branches = countBranches(schema)
  const judge = (result: Result): Checked => result.success
    ? { ok: true, value: result.data }
    : { ok: false, problem: problemOf(result.error.issues) }
  return value => {
    const isCareful = io === 'input' && !(isRecord(value) && isModest(value))
    // A context takes most of the time of a check, and is for what a caller sends in masses.
    const context = branches || isCareful ? contextOf(isCareful) : undefined
    try {
      return judge(schema.safeParse(value, context))
    } catch (error) {
      if (error instanceof z.core.$ZodAsyncError) {
        return schema.safeParseAsync(value, context).then(judge).catch(refusedFor)
      }
      return refusedFor(error)
    }
  }
}

function refusedFor (error: unknown): Checked {
  if (error instanceof TooMuchWork) return { ok: false, problem: tooMuchWork }
  throw error
}

/**
 * The schema as callers see it, of 2020-12 without a `$schema`: that is what a schema without one means (MCP
 * 2025-11-25, JSON Schema Usage), and clients that know a single draft take it.
 */
export function wireOfZod (schema: z.ZodObject, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...wire } = z.toJSONSchema(schema, { target: 'draft-2020-12', io })
  return withRootInline(wire)
}

/**
 * zod puts a schema with an `id` of its own among the definitions, the one at the top, too, which has to
 * say its type.
 */
function withRootInline (wire: Record<string, unknown>): JsonSchema {
  const { $ref, $defs, ...rest } = wire
  if (typeof $ref !== 'string' || !isRecord($defs)) return wire
  const name = $ref.replace('#/$defs/', '')
  const { [name]: root, ...others } = $defs
  if (!isRecord(root)) return wire
  // A schema that contains itself names its definition again.
  const left = JSON.stringify($defs).includes(JSON.stringify($ref)) ? $defs : others
  return { ...rest, ...root, ...(Object.keys(left).length === 0 ? {} : { $defs: left }) }
}

/** Those inside of unions count, and come first. */
const maxWorded = 1000
const budgetKey = Symbol('the work that a check may take')

type Context = z.core.ParseContext<z.core.$ZodIssue> & { readonly [budgetKey]: WorkBudget }

/** `isCareful`: stops at the first problem, and finds no words for what nobody will read. */
function contextOf (isCareful: boolean): Context {
  let count = 0
  const few = { abortEarly: true, error: () => ++count > maxWorded ? 'invalid' : undefined }
  return { ...(isCareful ? few : {}), [budgetKey]: new WorkBudget() }
}

function problemOf (issues: readonly z.core.$ZodIssue[]): string {
  return problemText(
    issues.slice(0, maxProblems).map(({ path, message }) => `${pathText(path)}: ${message}`),
    issues.length
  )
}

const branching: ReadonlySet<string> = new Set(['union', 'intersection'])

/**
 * Lets each part of a schema that has alternatives count what it looks at, where the context of a check has a
 * budget: alternatives that contain themselves double the work with each level of a value. Returns whether the
 * schema has any. The parts serve whoever else uses them as before.
 */
function countBranches (schema: z.core.$ZodType): boolean {
  const parts = partsOf(schema)
  if (![...parts].some(part => branching.has(part._zod.def.type))) return false
  for (const part of parts) count(part)
  return true
}

const isCounting = Symbol('counts what it looks at')

function count (part: z.core.$ZodType): void {
  const internals = part._zod
  const { run } = internals
  if (isCounting in run) return
  const { type, options, discriminator } = internals.def as z.core.$ZodTypeDef & {
    options?: readonly unknown[]
    discriminator?: string
  }
  // Each that does not fit leaves what is wrong with it; a discriminator says which one to try.
  const alternatives = discriminator === undefined ? options?.length ?? 0 : 0
  const looksAtMembers =
    type === 'record' ||
    (type === 'object' && (internals.def as { catchall?: unknown }).catchall !== undefined)
  const counting: typeof run = (payload, context) => {
    const { [budgetKey]: budget } = context as Partial<Context>
    const { value } = payload
    if (looksAtMembers && isRecord(value)) budget?.spendOnMembers(value)
    else budget?.spend(value, 1 + alternatives)
    return run(payload, context)
  }
  internals.run = Object.assign(counting, { [isCounting]: true })
}

/** A schema and all that it is made of. */
function partsOf (schema: z.core.$ZodType, found = new Set<z.core.$ZodType>()): Set<z.core.$ZodType> {
  if (found.has(schema)) return found
  found.add(schema)
  const { def } = schema._zod
  const inner: unknown[] =
    def.type === 'lazy' ? [(schema._zod as { innerType?: unknown }).innerType] : Object.values(def)
  for (const value of inner) {
    const below: unknown[] =
      typeof value === 'object' && value !== null && !('_zod' in value) ? Object.values(value) : [value]
    for (const one of below) if (isPart(one)) partsOf(one, found)
  }
  return found
}

function isPart (value: unknown): value is z.core.$ZodType {
  return (
    typeof value === 'object' &&
    value !== null &&
    '_zod' in value &&
    isRecord(value._zod) &&
    typeof value._zod.run === 'function'
  )
}
