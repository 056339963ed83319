/**
 * Validates tools, prompts and resources when the endpoint is registered. Unknown fields are refused: a
 * misspelt `access` would leave the tool open, and many tools run without a type check.
 */
import { types } from 'node:util'
import type { AccessRule } from '../principal/access.js'
import { isRole, roleForm } from '../principal/principal.js'
import { scopeForm } from '../principal/scope.js'
import { isListOf, isRecord } from '../lib/guards.js'
import { type OptionNames, requireKeys, requireWhole } from '../lib/require.js'
import { isAnnotations } from './content.js'
import type { Prompt } from './prompt.js'
import type { FixedResource, TemplateResource } from './resource.js'
import type { Item, Tool } from './tool.js'
import { isToolName, toolNameForm } from './tool-name.js'

/** The fields of all items. */
export const itemFields: OptionNames<Item> = {
  name: true,
  title: true,
  description: true,
  icons: true,
  _meta: true,
  access: true,
  deadlineMs: true,
  cost: true,
  tags: true
}
const ofResources = {
  ...itemFields, mimeType: true, annotations: true, uri: true, uriTemplate: true, read: true
} as const
const kinds = {
  Tool: {
    ...itemFields,
    input: true,
    output: true,
    annotations: true,
    rate: true,
    concurrency: true,
    maxResultBytes: true,
    once: true,
    visibility: true,
    handler: true
  } satisfies OptionNames<Tool>,
  Prompt: { ...itemFields, input: true, complete: true, handler: true } satisfies OptionNames<Prompt>,
  Resource: { ...ofResources, size: true, complete: true } satisfies OptionNames<FixedResource> &
    OptionNames<TemplateResource>
}
const ofRules: OptionNames<AccessRule> = { roles: true, scopes: true, allow: true, denied: true }
const ofRates: OptionNames<NonNullable<Tool['rate']>> = { max: true, windowMs: true }

/**
 * Throws a `TypeError`, or a `RangeError` for a limit, that names the invalid field of an item. Validates
 * everything except schemas and URIs, before anything else reads the item.
 */
export function requireItem (kind: keyof typeof kinds, item: unknown): void {
  if (typeof item !== 'object' || item === null) {
    throw new TypeError(
      `${kind}: must be an object, as define${kind} returns, not ${item === null ? 'null' : typeof item}`
    )
  }
  const fields = item as Partial<Record<string, unknown>>
  const { name, access, rate, handler, read } = fields
  if (typeof name !== 'string' || name === '') throw new TypeError(`${kind}: name must be a non-empty string`)
  const owner = `${kind} ${JSON.stringify(name)}`
  if (kind === 'Tool' && !isToolName(name)) {
    throw new TypeError(`${owner}: name ${toolNameForm}`)
  }
  // A class instance may have other members.
  if (isPlain(item)) {
    if (kind !== 'Resource') requireOurNames(owner, fields)
    requireKeys(owner, item, kinds[kind])
  }
  requireShown(owner, kind, fields)
  if (typeof (kind === 'Resource' ? read : handler) !== 'function') {
    throw new TypeError(`${owner}: ${kind === 'Resource' ? 'read' : 'handler'} must be a function`)
  }
  if (kind === 'Resource') requireAddress(owner, fields)
  requireCompleters(owner, fields.complete)
  if (access !== undefined) requireRule(`${owner}: access`, access)
  requireVisibility(owner, fields.visibility)
  const { deadlineMs, cost, concurrency, maxResultBytes } = fields as Partial<Tool>
  requireWhole(owner, { deadlineMs, cost, concurrency, maxResultBytes })
  if (rate !== undefined) requireRate(`${owner}: rate`, rate)
}

/** Names of fields in other libraries, and our names for them. */
const elsewhere: Readonly<Record<string, string>> = {
  inputSchema: 'input',
  parameters: 'input',
  schema: 'input',
  argsSchema: 'input',
  outputSchema: 'output',
  execute: 'handler',
  run: 'handler',
  callback: 'handler',
  cb: 'handler'
}

function requireOurNames (owner: string, fields: object): void {
  const found = Object.keys(fields).filter(name => Object.hasOwn(elsewhere, name))
  if (found.length === 0) return
  const instead = found.map(name => `\`${elsewhere[name] ?? ''}\` instead of \`${name}\``)
  throw new TypeError(`${owner}: write ${instead.join(', and ')}`)
}

/** A resource has either address. With both, one of them would be ignored. */
function requireAddress (owner: string, { uri, uriTemplate }: Partial<Record<string, unknown>>): void {
  if ((uri === undefined) === (uriTemplate === undefined)) {
    throw new TypeError(`${owner}: set either uri or uriTemplate`)
  }
  if (typeof (uri ?? uriTemplate) !== 'string') {
    throw new TypeError(`${owner}: ${uri === undefined ? 'uriTemplate' : 'uri'} must be a string`)
  }
}

function requireCompleters (owner: string, complete: unknown): void {
  if (complete === undefined) return
  if (!isRecord(complete) || !Object.values(complete).every(one => one === undefined || typeof one === 'function')) {
    throw new TypeError(`${owner}: complete must be an object of functions`)
  }
}

/** Throws a `TypeError` for a completer whose name is misspelt: `names` are those of the arguments or variables. */
export function requireCompletable (owner: string, complete: object = {}, names: readonly string[]): void {
  const unknown = Object.keys(complete).filter(name => !names.includes(name))
  if (unknown.length === 0) return
  throw new TypeError(
    `${owner}: complete: ${unknown.join(', ')} is not an argument or variable; they are ${names.join(', ')}`
  )
}

function requireVisibility (owner: string, visibility: unknown): void {
  if (visibility === undefined) return
  const isSound = isListOf(visibility, one => one === 'model' || one === 'app') && (visibility as unknown[]).length > 0
  if (!isSound) throw new TypeError(`${owner}: visibility must be an array of 'model' and 'app'`)
}

function requireRate (owner: string, rate: unknown): void {
  requireKeys(owner, rate, ofRates)
  const { max, windowMs } = rate as Partial<NonNullable<Tool['rate']>>
  if (max === undefined || windowMs === undefined) throw new TypeError(`${owner} requires max and windowMs`)
  requireWhole(owner, { max, windowMs })
}

/** Validates the fields that lists contain: clients refuse a whole list for one invalid item. */
function requireShown (owner: string, kind: keyof typeof kinds, fields: Partial<Record<string, unknown>>): void {
  const { annotations, icons, _meta, tags, size, once } = fields
  for (const key of ['title', 'description', 'mimeType']) {
    if (fields[key] !== undefined && typeof fields[key] !== 'string') {
      throw new TypeError(`${owner}: ${key} must be a string`)
    }
  }
  if (_meta !== undefined && !isRecord(_meta)) throw new TypeError(`${owner}: _meta must be an object`)
  if (tags !== undefined && !isListOf(tags, tag => typeof tag === 'string')) {
    throw new TypeError(`${owner}: tags must be an array of strings`)
  }
  if (once !== undefined && typeof once !== 'boolean') throw new TypeError(`${owner}: once must be true or false`)
  if (size !== undefined && !(Number.isSafeInteger(size) && Number(size) >= 0)) {
    throw new TypeError(`${owner}: size must be a number of bytes`)
  }
  if (icons !== undefined && !isListOf(icons, isIcon)) {
    throw new TypeError(
      `${owner}: each icon must be an object with src, and optionally mimeType, sizes and theme`
    )
  }
  if (annotations === undefined) return
  const areGood = kind === 'Tool' ? isToolAnnotations(annotations) : isAnnotations(annotations)
  if (!areGood) {
    const right = kind === 'Tool'
      ? 'hints that are true or false, and a title'
      : 'audience, priority from 0 to 1 and lastModified'
    throw new TypeError(`${owner}: annotations must be ${right}`)
  }
}

function isIcon (icon: unknown): boolean {
  if (!isRecord(icon)) return false
  const { src, mimeType, sizes, theme } = icon
  return typeof src === 'string' && (mimeType === undefined || typeof mimeType === 'string') &&
    (sizes === undefined || isListOf(sizes, size => typeof size === 'string')) &&
    (theme === undefined || theme === 'light' || theme === 'dark')
}

function isToolAnnotations (annotations: unknown): boolean {
  if (!isRecord(annotations)) return false
  const { title, ...hints } = annotations
  return (
    (title === undefined || typeof title === 'string') &&
    Object.entries(hints).every(
      ([name, hint]) => !name.endsWith('Hint') || hint === undefined || typeof hint === 'boolean'
    )
  )
}

/** An empty list of roles is allowed and means nobody. A policy may have that result. */
function requireRule (owner: string, rule: unknown): void {
  requireKeys(owner, rule, ofRules)
  const { roles, scopes, allow, denied } = rule
  if (roles !== undefined && !isListOf(roles, isRole)) throw new TypeError(`${owner}: each role ${roleForm}`)
  if (scopes !== undefined && !isListOf(scopes, scope => typeof scope === 'string' && scopeForm.test(scope))) {
    throw new TypeError(
      `${owner}: scopes must be an array of strings, each of printable ASCII without spaces, quotes and backslashes`
    )
  }
  if (allow !== undefined && typeof allow !== 'function') throw new TypeError(`${owner}: allow must be a function`)
  if (types.isAsyncFunction(allow)) throw new TypeError(`${owner}: allow must return a boolean, not a promise`)
  if (denied !== undefined && denied !== 'hide' && denied !== 'challenge' && denied !== 'error') {
    throw new TypeError(`${owner}: denied must be 'hide', 'challenge' or 'error'`)
  }
}

function isPlain (item: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(item)
  return prototype === null || prototype === Object.prototype
}
