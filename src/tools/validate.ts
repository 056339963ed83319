/**
 * What may be written in a tool, a prompt and a resource. All else is refused when the endpoint is
 * registered: a rule with a typing error would be one that nobody ever asks, and most tools are run
 * without a type check.
 */
import type { AccessRule } from '../principal/access.js'
import { isRole, roleForm } from '../principal/principal.js'
import { scopeForm } from '../principal/scope.js'
import { isListOf } from '../lib/guards.js'
import { requireKeys } from '../lib/require.js'
import type { Prompt } from './prompt.js'
import type { FixedResource, TemplateResource } from './resource.js'
import type { Item, Tool } from './tool.js'

type Keys<T> = Readonly<Record<keyof T, true>>

const ofItems: Keys<Item> = { name: true, title: true, description: true, icons: true, _meta: true, access: true, deadlineMs: true, cost: true }
const ofResources = { ...ofItems, mimeType: true, annotations: true, uri: true, uriTemplate: true, read: true } as const
const kinds = {
  Tool: { ...ofItems, input: true, output: true, annotations: true, rate: true, concurrency: true, handler: true } satisfies Keys<Tool>,
  Prompt: { ...ofItems, input: true, complete: true, handler: true } satisfies Keys<Prompt>,
  Resource: { ...ofResources, size: true, complete: true } satisfies Keys<FixedResource> & Keys<TemplateResource>
}
const ofRules: Keys<AccessRule> = { roles: true, scopes: true, allow: true, denied: true }
const ofRates: Keys<NonNullable<Tool['rate']>> = { max: true, windowMs: true }

/** Throws a `TypeError` that names what is wrong in an item, as it is written in code. */
export function requireItem (kind: keyof typeof kinds, item: unknown): void {
  if (typeof item !== 'object' || item === null) throw new TypeError(`${kind}: must be an object, as define${kind} returns, not ${item === null ? 'null' : typeof item}`)
  const { name, access, rate, handler, read, description, title } = item as Partial<Record<string, unknown>>
  if (typeof name !== 'string' || name === '') throw new TypeError(`${kind}: name must be a non-empty string`)
  const owner = `${kind} ${JSON.stringify(name)}`
  // An instance of a class has what it likes beside.
  if (isPlain(item)) requireKeys(owner, item, kinds[kind])
  for (const [key, text] of Object.entries({ description, title })) {
    if (text !== undefined && typeof text !== 'string') throw new TypeError(`${owner}: ${key} is a text`)
  }
  if (typeof (kind === 'Resource' ? read : handler) !== 'function') throw new TypeError(`${owner}: ${kind === 'Resource' ? 'read' : 'handler'} is a function`)
  if (access !== undefined) requireRule(`${owner}: access`, access)
  if (rate === undefined) return
  requireKeys(`${owner}: rate`, rate, ofRates)
  if (rate.max === undefined || rate.windowMs === undefined) throw new TypeError(`${owner}: rate needs max and windowMs`)
}

/** An empty list of roles is nobody: a policy may have come to that. */
function requireRule (owner: string, rule: unknown): void {
  requireKeys(owner, rule, ofRules)
  const { roles, scopes, allow, denied } = rule
  if (roles !== undefined && !isListOf(roles, isRole)) throw new TypeError(`${owner}: each of roles ${roleForm}`)
  if (scopes !== undefined && !isListOf(scopes, scope => typeof scope === 'string' && scopeForm.test(scope))) throw new TypeError(`${owner}: scopes is a list of scopes, each of printable ASCII without spaces, quotes and backslashes`)
  if (allow !== undefined && typeof allow !== 'function') throw new TypeError(`${owner}: allow is a function`)
  if (denied !== undefined && denied !== 'hide' && denied !== 'challenge' && denied !== 'error') throw new TypeError(`${owner}: denied is 'hide', 'challenge' or 'error'`)
}

function isPlain (item: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(item)
  return prototype === null || prototype === Object.prototype
}
