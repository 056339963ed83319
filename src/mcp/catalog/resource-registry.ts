/** The resources of an endpoint, by URI and by template. */
import {
  InvalidParamsError,
  NotAllowedError,
  NotFoundError,
  type Refusal,
  UnknownResourceError,
  isRefusal
} from '../../errors.js'
import type { Principal } from '../../principal/principal.js'
import type { FixedResource, Resource, ResourceResult, TemplateResource } from '../../tools/resource.js'
import type { ResourceContents } from '../../tools/content.js'
import { requireCompletable, requireItem } from '../../tools/validate.js'
import { type AccessOf, createContext, noTools } from '../exchange/handler-context.js'
import type { Exchange } from '../exchange/exchange.js'
import { maxUriLength } from '../wire/messages.js'
import { faultOfContents } from '../calls/content.js'
import { inPublicWords } from '../calls/public-words.js'
import { Registry, type Registered } from './registry.js'
import type { RightsGate } from './rights.js'
import { type UriTemplate, isNarrower, parseUriTemplate } from './uri-template.js'
import { normalUri, requireStable, uriKey } from './uri.js'

interface RegisteredTemplate extends Registered<TemplateResource> {
  readonly template: UriTemplate
}

/** The item that a URI refers to. */
interface Found {
  readonly item: Resource
  /** The URI in normal form, or of a fixed resource, as its author wrote it. */
  readonly uri: string
  readonly variables: Readonly<Record<string, string>>
}

export class ResourceRegistry {
  readonly fixed: Registry<FixedResource, Registered<FixedResource>>
  readonly templates: Registry<TemplateResource, RegisteredTemplate>
  readonly #rights: RightsGate
  readonly #accessOf: AccessOf

  constructor (rights: RightsGate, accessOf: AccessOf = () => noTools) {
    this.#rights = rights
    this.#accessOf = accessOf
    this.fixed = new Registry(rights)
    this.templates = new Registry(rights)
  }

  /** Throws if the URI is invalid, the template has operators, either is taken, or clients would rewrite the URI. */
  put (resource: Resource): Resource {
    requireItem('Resource', resource)
    const { name, title, description, mimeType, annotations, icons, _meta } = resource
    const shown = { name, title, description, mimeType, annotations, icons, _meta }
    if (resource.uri !== undefined) {
      if (/[{}]/.test(resource.uri)) {
        throw new TypeError(
          `Resource ${name}: ${JSON.stringify(resource.uri)} contains braces; use \`uriTemplate\` for a template`
        )
      }
      const { key } = requireStable(`Resource ${name}: ${JSON.stringify(resource.uri)}`, resource.uri)
      this.fixed.add(key, { item: resource, wire: { uri: resource.uri, size: resource.size, ...shown } })
    } else {
      const template = parseUriTemplate(resource.uriTemplate)
      requireCompletable(`Resource ${JSON.stringify(name)}`, resource.complete, template.names)
      for (const other of this.templates.values()) {
        if (other.template.shape === template.shape) {
          throw new TypeError(
            `Template ${resource.uriTemplate} is defined twice: ${other.item.uriTemplate} matches the same URIs`
          )
        }
      }
      this.templates.add(resource.uriTemplate, {
        item: resource,
        wire: { uriTemplate: resource.uriTemplate, ...shown },
        template
      })
    }
    return resource
  }

  /** Returns the removed resource; `undefined` if there was none. */
  remove (uri: string): Resource | undefined {
    return this.fixed.remove(uriKey(uri)) ?? this.templates.remove(uri)
  }

  /** True if `principal` may read `uri`, and so may be told that it changed. */
  mayRead (principal: Principal, uri: string): boolean {
    const found = this.find(uri)
    return found !== undefined && this.#rights.mayUse(principal, found.item)
  }

  /** The resource at `uri`. Throws a refusal if `principal` may not read it. */
  reach (uri: string, principal: Principal): Found {
    return this.#rights.admit(this.find(uri), principal, { unknown: reason => unknown(uri, reason), denied })
  }

  async read (params: Record<string, unknown>, exchange: Exchange): Promise<{ contents: ResourceContents[] }> {
    const { uri: asked } = params
    if (typeof asked !== 'string') throw new InvalidParamsError({ reason: 'uri must be a string' })
    const { item, uri, variables } = this.reach(asked, exchange.caller.principal)
    await exchange.enter(item)
    const context = createContext(exchange, this.#accessOf(exchange))
    const work = async (): Promise<ResourceResult | undefined> => await item.read(uri, context, variables)
    const given = await exchange.race(inPublicWords(work())).catch((error: unknown) => {
      if (isRefusal(error) && error.code === NotFoundError.code) throw unknown(asked, 'the handler returned nothing')
      throw error
    })
    if (given === undefined) throw unknown(asked, 'the handler returned nothing')
    return { contents: contentsOf(given, asked, item) }
  }

  /** The resource with exactly this template or fixed URI. Throws a refusal if `principal` may not read it. */
  named (uri: unknown, principal: Principal): Resource {
    const refusals = {
      unknown: (reason: string) => new InvalidParamsError({ reason: `template: ${reason}` }),
      denied
    }
    return this.#rights.admit(this.#listed(uri), principal, refusals).item
  }

  /** Like `named`, without checking rights. */
  listed (uri: unknown): Resource | undefined {
    return this.#listed(uri)?.item
  }

  #listed (uri: unknown): Registered<Resource> | undefined {
    return typeof uri === 'string' ? this.templates.get(uri) ?? this.fixed.get(uriKey(uri)) : undefined
  }

  /** The item for `uri`, without checking rights: a fixed resource before templates, and the most specific template. */
  find (uri: string): Found | undefined {
    const normal = normalUri(uri)
    if (normal === undefined) return undefined
    const fixed = this.fixed.get(normal.key)
    if (fixed !== undefined) return { item: fixed.item, uri: fixed.item.uri, variables: {} }
    let narrowest: RegisteredTemplate | undefined
    let variables: Found['variables'] = {}
    for (const registered of this.templates.values()) {
      if (narrowest !== undefined && !isNarrower(registered.template, narrowest.template)) continue
      const values = registered.template.match(normal.text, normal.key)
      if (values === undefined) continue
      narrowest = registered
      variables = values
    }
    return narrowest === undefined ? undefined : { item: narrowest.item, uri: normal.text, variables }
  }
}

function denied (reason: string): Refusal {
  return new NotAllowedError({ reason: `resource: ${reason}` })
}

/** Includes the requested URI, as the specification requires (MCP 2026-07-28, Resources, Error Handling). */
function unknown (uri: string, reason: string): Refusal {
  return new UnknownResourceError({ reason, ...(uri.length > maxUriLength ? {} : { data: { uri } }) })
}

function contentsOf (given: ResourceResult, uri: string, { name, mimeType }: Resource): ResourceContents[] {
  const own = mimeType === undefined ? { uri } : { uri, mimeType }
  if (typeof given === 'string') return [{ ...own, text: given }]
  const list = Array.isArray(given)
    ? (given as readonly ResourceContents[])
    : [{ ...own, ...(given as Omit<ResourceContents, 'uri'>) }]
  const fault = list.map(faultOfContents).find(one => one !== undefined)
  if (fault !== undefined) throw new TypeError(`${name} returned ${fault}`)
  return [...list]
}
