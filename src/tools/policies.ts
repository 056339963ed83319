/** What an operator says about tools without touching them: limits and rights, by tool and by default. */
import { z } from 'zod'
import type { Tool } from './tool.js'

const whole = z.int().min(1)

const policySchema = z.strictObject({
  rate: z.strictObject({ max: whole, windowMs: whole }).optional(),
  concurrency: whole.optional(),
  cost: whole.optional(),
  deadlineMs: whole.max(2 ** 31 - 1).optional(),
  access: z.strictObject({
    roles: z.array(z.enum(['admin', 'user'])).min(1).optional(),
    scopes: z.array(z.string().min(1)).min(1).optional(),
    denied: z.enum(['hide', 'challenge', 'error']).optional()
  }).optional()
})

const fileSchema = z.strictObject({
  default: policySchema.optional(),
  tools: z.record(z.string(), policySchema).optional()
})

export type ToolPolicy = z.infer<typeof policySchema>

/** `default` stands in where a tool says nothing itself; `tools`, by name, over what a tool says. */
export type ToolPolicies = z.infer<typeof fileSchema>

/** The policies can't be meant as they stand. The message says where, for the operator. */
export class ToolPolicyError extends Error {
  override readonly name = 'ToolPolicyError'
}

/** Parses the text of a policy file. Throws a `ToolPolicyError`. */
export function parseToolPolicies (text: string): ToolPolicies {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new ToolPolicyError('is not valid JSON')
  }
  const parsed = fileSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new ToolPolicyError(parsed.error.issues.map(({ path, message }) => `has at ${path.map(String).join('.') || 'its top'}: ${message}`).join('; '))
}

/**
 * The tool as its policies want it. An access rule only ever adds to the tool's own: both must
 * hold, so that a policy file can't open what was written closed.
 */
export function withPolicy (tool: Tool, { default: fallback = {}, tools = {} }: ToolPolicies): Tool {
  const own = Object.hasOwn(tools, tool.name) ? tools[tool.name] ?? {} : {}
  const { access: ownAccess, ...ownLimits } = own
  const { access: fallbackAccess, ...fallbackLimits } = fallback
  const access = narrowed(tool.access, ownAccess ?? (tool.access === undefined ? fallbackAccess : undefined))
  const merged = { ...fallbackLimits, ...tool, ...ownLimits }
  return access === undefined ? merged as Tool : { ...merged, access } as Tool
}

function narrowed (rule: Tool['access'], policy: ToolPolicy['access']): Tool['access'] {
  if (policy === undefined) return rule
  const { roles, scopes, denied } = policy
  const allowed = rule?.roles === undefined ? roles : roles === undefined ? rule.roles : rule.roles.filter(role => roles.includes(role))
  return {
    ...rule,
    ...(allowed === undefined ? {} : { roles: allowed }),
    ...(scopes === undefined ? {} : { scopes: [...new Set([...rule?.scopes ?? [], ...scopes])] }),
    ...(denied === undefined ? {} : { denied })
  }
}
