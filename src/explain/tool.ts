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

/** A tool of an upstream, as its settings expose it. */
export interface UpstreamTool {
  /** The name of the upstream. */
  readonly upstream: string
  /** The upstream's own name for the tool. */
  readonly ownName: string
  readonly access?: AccessRule | undefined
  /** Whether the definition is approved. `undefined` if nothing has to be approved. */
  readonly isApproved?: boolean | undefined
}

export interface Circumstances {
  /** The built-in tools that are served. */
  readonly tools: readonly Tool[]
  readonly policies: ToolPolicies
  /** Returns the freeze target that switches off a call, if there is one. */
  readonly frozenFor: (principal: Principal, tool: string) => string | undefined
  /** By tool of this package: the reason why it is not served. */
  readonly absent: ReadonlyMap<string, string>
  /** The tool of an upstream that callers know by the name in question. */
  readonly upstreamTool?: UpstreamTool | undefined
}

export function explainTool (
  principal: Principal,
  name: string,
  { tools, policies, frozenFor, absent, upstreamTool }: Circumstances
): Explanation {
  const why = absent.get(name)
  if (why !== undefined) return { allowed: false, rule: `${name} is not served: ${why}.` }
  const builtIn = tools.find(tool => tool.name === name)
  const behind = builtIn === undefined ? upstreamTool : undefined
  if (behind?.isApproved === false) {
    return { allowed: false, rule: `${name} is not served: UPSTREAMS_LOCK does not contain ${nameOf(behind)}.` }
  }
  if (builtIn === undefined && behind === undefined && !isNamedIn(policies, name)) {
    return { allowed: false, rule: unknownRule(name) }
  }
  const ownRule = behind?.access === undefined ? {} : { access: behind.access }
  const tool: Tool = builtIn ?? { name, handler: () => '', ...ownRule }
  const { access } = withPolicy(tool, policies)
  const denial = denialOf(principal, tool.access, access, behind === undefined ? 'its own rule' : 'UPSTREAMS_FILE')
  if (denial !== undefined) return { allowed: false, rule: `${name} ${denial}` }
  const frozen = frozenFor(principal, name)
  if (frozen !== undefined) {
    const option = frozen.replace(':', ' ')
    return { allowed: false, rule: `${frozen} is frozen; "fastify-mcp-auth thaw --${option}" switches it on.` }
  }
  const rule =
    access === undefined
      ? `${name} has no access rule.`
      : `The caller matches the access rule of ${name}: ${describe(access)}.`
  return { allowed: true, rule: [rule, ...builtIn === undefined ? [caveatOf(name, behind)] : []].join(' ') }
}

/** The server does not start with policies for tools that it does not have. */
function isNamedIn ({ tools = {} }: ToolPolicies, name: string): boolean {
  return Object.hasOwn(tools, name)
}

function unknownRule (name: string): string {
  return `${name} is unknown: it is not built in, and no setting names it. If it is a tool of your app, add it to ` +
    'TOOL_POLICY_FILE to check it here.'
}

/** What cannot be known without a running server. */
function caveatOf (name: string, behind: UpstreamTool | undefined): string {
  if (behind?.isApproved === true) return `It is ${nameOf(behind)}.`
  if (behind !== undefined) return `It exists if the server behind it offers it, as ${nameOf(behind)}.`
  return `${name} is a tool of your app: a rule in its code cannot be checked here.`
}

function nameOf ({ upstream, ownName }: UpstreamTool): string {
  return `${ownName} of the upstream ${upstream}`
}

function denialOf (
  principal: Principal,
  own: AccessRule | undefined,
  effective: AccessRule | undefined,
  owner: string
): string | undefined {
  const { roles, scopes, allow } = effective ?? {}
  const sourceOf = (part: 'roles' | 'scopes'): string =>
    JSON.stringify(own?.[part]) === JSON.stringify(effective?.[part]) ? owner : 'TOOL_POLICY_FILE'
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
