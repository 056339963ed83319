/** Checks values against a zod object, with bounded work and bounded messages. */
import { z } from '../../lib/zod.js'
import type { JsonSchema } from '../../tools/content.js'
import { isRecord } from '../../lib/guards.js'
import { isModest } from '../wire/messages.js'
import { TooMuchWork, WorkBudget, tooMuchWork } from './budget.js'
import { withPlainNames } from './plain-names.js'
import { maxProblems, pathText, problemText } from './problems.js'

export type Checked =
  | { readonly ok: true, readonly value: Record<string, unknown> }
  | { readonly ok: false, readonly problem: string }

type Check = (value: unknown) => Checked | Promise<Checked>
type Result = z.ZodSafeParseResult<Record<string, unknown>>

/** `io`: an input comes from a caller, so a large one is checked only up to its first problem. */
export function compileZodSchema (schema: z.ZodObject, io: 'input' | 'output'): Check {
  const branches = countBranches(schema)
  const judge = (result: Result): Checked => result.success
    ? { ok: true, value: result.data }
    : { ok: false, problem: problemOf(result.error.issues) }
  return value => {
    const isCareful = io === 'input' && !(isRecord(value) && isModest(value))
    // Creating a context takes most of the time of a check; only alternatives and large inputs need it.
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
 * The schema as callers see it: 2020-12 without `$schema`, which is the default (MCP
 * 2025-11-25, JSON Schema Usage), and which clients with a single draft accept.
 */
export function wireOfZod (schema: z.ZodObject, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...wire } = z.toJSONSchema(schema, { target: 'draft-2020-12', io })
  return withRootInline(withPlainNames(wire))
}

/**
 * zod moves a schema with an `id` into the definitions, also the top-level one, which must
 * have a `type`.
 */
function withRootInline (wire: Record<string, unknown>): JsonSchema {
  const { $ref, $defs, ...rest } = wire
  if (typeof $ref !== 'string' || !isRecord($defs)) return wire
  const name = $ref.replace('#/$defs/', '')
  const { [name]: root, ...others } = $defs
  if (!isRecord(root)) return wire
  // A recursive schema refers to its definition again.
  const left = JSON.stringify($defs).includes(JSON.stringify($ref)) ? $defs : others
  return { ...rest, ...root, ...(Object.keys(left).length === 0 ? {} : { $defs: left }) }
}

/** Problems beyond this number get no message. Problems inside unions count too, and come first. */
const maxWorded = 1000
const budgetKey = Symbol('the work that a check may take')

type Context = z.core.ParseContext<z.core.$ZodIssue> & { readonly [budgetKey]: WorkBudget }

/** `isCareful` stops at the first problem and creates no further messages. */
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
 * Makes the parts of a schema with alternatives count their work if the context of a check has a
 * budget: recursive alternatives double the work with each level of a value. Returns whether the
 * schema has alternatives. Other users of the parts are not affected.
 */
function countBranches (schema: z.core.$ZodType): boolean {
  const parts = partsOf(schema)
  if (![...parts].some(part => branching.has(part._zod.def.type))) return false
  for (const part of parts) count(part)
  return true
}

const isCounting = Symbol('counts its work')

function count (part: z.core.$ZodType): void {
  const internals = part._zod
  const { run } = internals
  if (isCounting in run) return
  const { type, options, discriminator } = internals.def as z.core.$ZodTypeDef & {
    options?: readonly unknown[]
    discriminator?: string
  }
  // Each alternative that fails records its problems; a discriminator selects a single one.
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

/** A schema and all schemas in it. */
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
