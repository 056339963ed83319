/** The operator's limits and rights for tools, by name and by default. */
import { z } from '../lib/zod.js'
import { SettingFileError } from '../lib/setting-file-error.js'
import { longestTimerMs } from '../lib/timers.js'
import type { Tool } from './tool.js'
import { isRole, roleForm } from '../principal/principal.js'
import { scopeForm } from '../principal/scope.js'

const whole = z.int().min(1)
/** RFC 6749 §3.3: a token cannot contain other scopes. */
const scope = z.string().regex(scopeForm, 'A scope must be printable ASCII without spaces, quotes and backslashes')

const role = z.string().refine(isRole, `A role ${roleForm}`)

/** `fewest`: how many roles or scopes a rule must at least name. */
function schemaOf (fewest: 0 | 1) {
  const policy = z.strictObject({
    rate: z.strictObject({ max: whole, windowMs: whole.max(86_400_000) }).optional(),
    concurrency: whole.optional(),
    cost: whole.optional(),
    deadlineMs: whole.max(longestTimerMs).optional(),
    access: z.strictObject({
      roles: z.array(role).min(fewest).optional(),
      scopes: z.array(scope).min(fewest).optional(),
      denied: z.enum(['hide', 'challenge', 'error']).optional()
    }).optional()
  })
  return z.strictObject({ default: policy.optional(), tools: z.record(z.string(), policy).optional() })
}

const fileSchema = schemaOf(1)
/** Lists that code computes may be empty. */
const optionSchema = schemaOf(0)

/** `default` applies where a tool sets nothing itself. `tools`, by name, overrides the tool. */
export type ToolPolicies = z.infer<typeof optionSchema>
export type ToolPolicy = NonNullable<ToolPolicies['default']>

/** The policies are invalid. `wrong` says where, as the rest of a sentence that begins with the setting. */
export class ToolPolicyError extends SettingFileError {
  override readonly name = 'ToolPolicyError'
  readonly wrong: string

  constructor (wrong: string, right?: string) {
    super(`toolPolicies ${wrong}`, right)
    this.wrong = wrong
  }
}

/** Parses the text of a policy file. Throws a `ToolPolicyError`. */
export function parseToolPolicies (text: string): ToolPolicies {
  let value: unknown
  let isPrototype = false
  try {
    value = JSON.parse(text, (name, part) => {
      isPrototype ||= name === '__proto__'
      return part
    })
  } catch {
    throw new ToolPolicyError('is not valid JSON')
  }
  // The schema would silently drop this entry and its policy.
  if (isPrototype) throw new ToolPolicyError('has an entry __proto__, which is not a tool name')
  return parsedBy(fileSchema, value)
}

/** Throws a `ToolPolicyError` unless these are policies: with a misspelt field, a tool would stay open. */
export function requirePolicies (value: unknown): void {
  parsedBy(optionSchema, value)
}

function parsedBy (schema: typeof optionSchema, value: unknown): ToolPolicies {
  const { data, error } = schema.safeParse(value)
  if (data !== undefined) return data
  throw new ToolPolicyError(error.issues.map(({ path, message }) => fault(path, message)).join('; '))
}

/**
 * Throws a `ToolPolicyError` if a call costs more than `max`, the caller's whole budget: it would always be
 * refused.
 */
export function requirePayable ({ default: fallback, tools = {} }: ToolPolicies, max: number): void {
  const all: Array<[PropertyKey[], ToolPolicy | undefined]> = [
    [['default'], fallback],
    ...Object.entries(tools).map(([name, policy]): [PropertyKey[], ToolPolicy] => [['tools', name], policy])
  ]
  const faults = all
    .filter(([, policy]) => (policy?.cost ?? 1) > max)
    .map(([path]) => fault([...path, 'cost'], 'more than RATE_LIMIT_MAX'))
  if (faults.length > 0) throw new ToolPolicyError(faults.join('; '))
}

/** Throws a `ToolPolicyError` if a policy names a tool that `isTool` does not know. */
export function requireTools ({ tools = {} }: ToolPolicies, isTool: (name: string) => boolean): void {
  const faults = Object.keys(tools)
    .filter(name => !isTool(name))
    .map(name => fault(['tools', name], 'unknown tool'))
  if (faults.length > 0) throw new ToolPolicyError(faults.join('; '))
}

function fault (path: readonly PropertyKey[], message: string): string {
  return `is invalid at ${path.map(String).join('.') || 'the top'}: ${message}`
}

/**
 * Applies the policies to a tool. An access rule is added to the tool's own, and both must hold, so that a
 * policy file cannot widen access.
 */
export function withPolicy (tool: Tool, { default: fallback = {}, tools = {} }: ToolPolicies): Tool {
  const own = Object.hasOwn(tools, tool.name) ? tools[tool.name] ?? {} : {}
  const { access: ownAccess, ...ownLimits } = own
  const { access: fallbackAccess, ...fallbackLimits } = fallback
  const access = narrowed(tool.access, ownAccess ?? (tool.access === undefined ? fallbackAccess : undefined))
  // Keeps the prototype, because a tool may be a class instance with its handler as a method.
  const copy = Object.create(Object.getPrototypeOf(tool) as object | null) as Tool
  return Object.assign(copy, fallbackLimits, tool, ownLimits, access === undefined ? {} : { access })
}

function narrowed (rule: Tool['access'], policy: ToolPolicy['access']): Tool['access'] {
  if (policy === undefined) return rule
  const { roles, scopes, denied } = policy
  const own = rule?.roles
  const both = roles === undefined ? own : own?.filter(role => roles.includes(role))
  const allowed = own === undefined ? roles : both
  return {
    ...rule,
    ...(allowed === undefined ? {} : { roles: allowed }),
    ...(scopes === undefined ? {} : { scopes: [...new Set([...rule?.scopes ?? [], ...scopes])] }),
    ...(denied === undefined ? {} : { denied })
  }
}
