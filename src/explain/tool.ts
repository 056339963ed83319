/** Explains whether a caller may call a tool, from the settings, without a running server. */
import { type AccessRule, mayUse } from '../principal/access.js'
import type { Principal } from '../principal/principal.js'
import { type ToolPolicies, withPolicy } from '../tools/tool-policies.js'
import type { Tool } from '../tools/tool.js'

export interface Explanation {
  readonly allowed: boolean
  /** The rule that decides, as a sentence. */
  readonly rule: string
}

export interface Circumstances {
  /** The tools whose access rules are known. */
  readonly tools: readonly Tool[]
  readonly policies: ToolPolicies
  /** Returns the freeze target that switches off a call, if there is one. */
  readonly frozenFor: (principal: Principal, tool: string) => string | undefined
  /** By tool of this package: the reason why it is not served. */
  readonly absent: ReadonlyMap<string, string>
}

export function explainTool (
  principal: Principal,
  name: string,
  { tools, policies, frozenFor, absent }: Circumstances
): Explanation {
  const why = absent.get(name)
  if (why !== undefined) return { allowed: false, rule: `${name} is not served: ${why}.` }
  const known = tools.find(tool => tool.name === name)
  // The access rule of another tool is unknown, so only the policies are checked.
  const tool: Tool = known ?? { name, handler: () => '' }
  const { access } = withPolicy(tool, policies)
  const denial = denialOf(principal, tool.access, access)
  if (denial !== undefined) return { allowed: false, rule: `${name} ${denial}` }
  const frozen = frozenFor(principal, name)
  if (frozen !== undefined) {
    return { allowed: false, rule: `${frozen} is frozen; "fastify-mcp-auth thaw" switches it on.` }
  }
  const rule =
    access === undefined
      ? `${name} has no access rule.`
      : `The caller matches the access rule of ${name}: ${describe(access)}.`
  return {
    allowed: true,
    rule:
      known === undefined
        ? `${rule} Your own tools may have another rule in their code, which cannot be checked here.`
        : rule
  }
}

function denialOf (
  principal: Principal,
  own: AccessRule | undefined,
  effective: AccessRule | undefined
): string | undefined {
  const { roles, scopes, allow } = effective ?? {}
  const sourceOf = (part: 'roles' | 'scopes'): string =>
    JSON.stringify(own?.[part]) === JSON.stringify(effective?.[part]) ? 'its own rule' : 'TOOL_POLICY_FILE'
  if (roles !== undefined && !mayUse(principal, { roles })) {
    return `is for ${roles.length === 0 ? 'no role' : `the role ${roles.join(' or ')}`} ` +
      `(${sourceOf('roles')}), and the caller has ${[principal.roles ?? principal.role].flat().join(', ')}.`
  }
  const missing = (scopes ?? []).filter(scope => !mayUse(principal, { scopes: [scope] }))
  if (missing.length > 0) {
    return `needs the scope ${missing.join(' and ')} (${sourceOf('scopes')}), which the caller does not have.`
  }
  if (allow !== undefined && !mayUse(principal, { allow })) {
    return 'is refused by a rule in its code (for generate-token: MINT_POLICY).'
  }
  return undefined
}

function describe ({ roles, scopes, allow }: AccessRule): string {
  const parts = [
    ...roles === undefined ? [] : [`role ${roles.join(' or ')}`],
    ...scopes === undefined ? [] : [`scopes ${scopes.join(', ')}`],
    ...allow === undefined ? [] : ['a rule in its code']
  ]
  return parts.join(', ') || 'nothing'
}
