/** The resources of an endpoint, by URI and by template. */
import { InvalidParamsError, NotAllowedError, type Refusal, UnknownResourceError } from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { FixedResource, Resource, ResourceResult, TemplateResource } from '../../tools/resource.js'
import type { ResourceContents } from '../../tools/tool.js'
import { requireItem } from '../../tools/validate.js'
import { createContext } from '../exchange/handler-context.js'
import type { Exchange } from '../exchange/exchange.js'
import { maxUriLength } from '../wire/messages.js'
import { isRecord } from '../../lib/guards.js'
import { Registry, type Registered, denialOf } from './registry.js'

interface RegisteredTemplate extends Registered<TemplateResource> {
  readonly match: (uri: string) => Record<string, string> | undefined
}

interface Found {
  readonly item: Resource
  readonly variables: Readonly<Record<string, string>>
}

export class ResourceRegistry {
  readonly fixed = new Registry<FixedResource, Registered<FixedResource>>()
  readonly templates = new Registry<TemplateResource, RegisteredTemplate>()

  /** Throws where the URI is none, the template has operators, or either is taken. */
  put (resource: Resource): Resource {
    requireItem('Resource', resource)
    const { name, title, description, mimeType, annotations, icons, _meta } = resource
    const shown = { name, title, description, mimeType, annotations, icons, _meta }
    if (resource.uri !== undefined) {
      if (!URL.canParse(resource.uri)) throw new TypeError(`Resource ${name}: ${JSON.stringify(resource.uri)} is no absolute URI`)
      const wire = { uri: resource.uri, size: resource.size, ...shown }
      this.fixed.add(resource.uri, { item: resource, wire })
    } else {
      const wire = { uriTemplate: resource.uriTemplate, ...shown }
      this.templates.add(resource.uriTemplate, { item: resource, wire, match: matcher(resource.uriTemplate) })
    }
    return resource
  }

  /** The resource that is gone; `undefined` where there was none. */
  remove (uri: string): Resource | undefined {
    return this.fixed.remove(uri) ?? this.templates.remove(uri)
  }

  /** True where `principal` may read `uri`, and so may know that it changed. */
  mayRead (principal: Principal, uri: string): boolean {
    const found = this.find(uri)
    return found !== undefined && denialOf(principal, found.item) === undefined
  }

  /** The resource at `uri`. Throws a refusal where `principal` may not read it. */
  reach (uri: string, principal: Principal): Found {
    const found = this.find(uri)
    if (found === undefined) throw unknown(uri, 'no such resource')
    const denial = denialOf(principal, found.item)
    if (denial === 'hide') throw unknown(uri, 'not for this principal')
    if (denial === 'error') throw new NotAllowedError({ reason: `resource ${found.item.name}` })
    if (denial !== undefined) throw denial
    return found
  }

  async read (params: Record<string, unknown>, exchange: Exchange): Promise<{ contents: ResourceContents[] }> {
    const { uri } = params
    if (typeof uri !== 'string') throw new InvalidParamsError({ reason: 'a resource is read by its uri' })
    const { item, variables } = this.reach(uri, exchange.caller.principal)
    await exchange.enter(item)
    const context = createContext(exchange, () => [])
    const work = async (): Promise<ResourceResult> => await item.read(uri, context, variables)
    return { contents: contentsOf(await exchange.race(work()), uri, item) }
  }

  /** The resource of this very template, or of this fixed URI. Throws a refusal where `principal` may not read it. */
  named (uri: unknown, principal: Principal): Resource {
    const item = this.listed(uri)
    if (item === undefined) throw new InvalidParamsError({ reason: 'no such template' })
    const denial = denialOf(principal, item)
    if (denial === 'hide') throw new InvalidParamsError({ reason: 'a template not for this principal' })
    if (denial === 'error') throw new NotAllowedError({ reason: `resource ${item.name}` })
    if (denial !== undefined) throw denial
    return item
  }

  /** Like `named`, whoever asks. */
  listed (uri: unknown): Resource | undefined {
    return typeof uri === 'string' ? (this.templates.get(uri) ?? this.fixed.get(uri))?.item : undefined
  }

  /** The resource at `uri`, whoever asks. */
  find (uri: string): Found | undefined {
    const fixed = this.fixed.get(uri)
    if (fixed !== undefined) return { item: fixed.item, variables: {} }
    if (uri.length > maxUriLength) return undefined
    for (const { item, match } of this.templates.values()) {
      const variables = match(uri)
      if (variables !== undefined) return { item, variables }
    }
    return undefined
  }
}

/** Names the URI that was asked for, as the specification wants it (MCP 2026-07-28, Resources, Error Handling). */
function unknown (uri: string, reason: string): Refusal {
  return new UnknownResourceError({ reason, ...(uri.length > maxUriLength ? {} : { data: { uri } }) })
}

function contentsOf (given: ResourceResult, uri: string, { name, mimeType }: Resource): ResourceContents[] {
  const own = mimeType === undefined ? { uri } : { uri, mimeType }
  if (typeof given === 'string') return [{ ...own, text: given }]
  const list = Array.isArray(given) ? given as readonly ResourceContents[] : [{ ...own, ...given as Omit<ResourceContents, 'uri'> }]
  if (!list.every(entry => isRecord(entry) && typeof entry.uri === 'string' && (typeof entry.text === 'string' || typeof entry.blob === 'string'))) {
    throw new TypeError(`${name} returned contents without a uri, or with neither text nor blob`)
  }
  return [...list]
}

/** The variables of a template, from a URI that it fits. A variable is at least one character and holds no slash. */
function matcher (template: string): (uri: string) => Record<string, string> | undefined {
  const parts = template.split(/\{([^{}]*)\}/)
  const names = parts.filter((_, index) => index % 2 === 1)
  const literals = parts.filter((_, index) => index % 2 === 0)
  if (names.length === 0 || !names.every(name => /^\w+$/.test(name))) throw new TypeError(`Template ${template}: variables are {name}, at least one, without operators`)
  if (literals.slice(1, -1).includes('')) throw new TypeError(`Template ${template}: two variables need a text between them`)
  return uri => {
    const values = between(uri, literals)
    if (values === undefined || values.some(value => value === '' || value.includes('/'))) return undefined
    try {
      return Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(values[index] ?? '')]))
    } catch {
      return undefined
    }
  }
}

/**
 * What stands between the literals, the first and the last of which are the ends of the text. Not an
 * expression: that tries every way to share out a run of separators, for minutes where a template has
 * four variables (CVE-2026-0621 was of that kind). From the right, one search for each literal finds
 * what a greedy expression would.
 */
function between (text: string, literals: readonly string[]): string[] | undefined {
  const [first = ''] = literals
  const last = literals.at(-1) ?? ''
  if (!text.startsWith(first) || !text.endsWith(last)) return undefined
  const values: string[] = []
  let end = text.length - last.length
  for (let index = literals.length - 2; index > 0; index--) {
    const literal = literals[index] ?? ''
    const at = text.lastIndexOf(literal, end - 1 - literal.length)
    if (at < first.length || end - 1 < literal.length) return undefined
    values.unshift(text.slice(at + literal.length, end))
    end = at
  }
  return end < first.length ? undefined : [text.slice(first.length, end), ...values]
}
