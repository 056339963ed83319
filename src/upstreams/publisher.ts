/** Adds the items of an upstream to the endpoint, and removes those that it no longer offers. */
import type { FastifyBaseLogger } from 'fastify'
import type { Endpoint } from '../mcp/endpoint.js'
import { type Definitions, definitionsOf, exposedName, type Forward } from './definitions.js'
import { type Lists, maxItems } from './lists.js'
import { isApproved, type Lock } from './lock.js'
import { reasonOf } from './log-text.js'
import type { Upstream } from './options.js'

const kinds = ['tools', 'resources', 'prompts'] as const
type ItemKind = typeof kinds[number]

/** Warnings about one state of the lists. An upstream names its items as it likes. */
const maxWarnings = 100
const maxNameLength = 200

export interface PublisherOptions {
  readonly upstream: Upstream
  readonly log: Pick<FastifyBaseLogger, 'warn'>
  /** The approved tools. Without it, changed definitions are logged and served. */
  readonly lock: Lock | undefined
  readonly maxResultBytes: number
}

interface Wanted {
  readonly kind: ItemKind
  readonly key: string
  readonly text: string
}

export class Publisher {
  readonly #options: PublisherOptions
  /** The items of this upstream that the endpoint has now. */
  readonly #items = new Map<string, Wanted>()
  #withheld: readonly string[] = []
  /** Warnings that were already logged. The lists are read often, so each warning is logged once. */
  #told: ReadonlySet<string> = new Set()
  #telling = new Set<string>()
  #warnings = 0

  constructor (options: PublisherOptions) {
    this.#options = options
  }

  /** Tools that are not served, because they differ from their approved definition. */
  get withheld (): readonly string[] { return this.#withheld }

  /** `key` is the exposed name of a tool or prompt, or the URI or template of a resource. */
  serves (kind: ItemKind, key: string): boolean {
    return this.#items.has(`${kind} ${key}`)
  }

  publish (endpoint: Endpoint, lists: Lists, forward: Forward): void {
    const { upstream, lock, maxResultBytes } = this.#options
    this.#telling = new Set()
    this.#warnings = 0
    if (lists.isCut) {
      this.#warnOnce(
        { advice: 'Let that server list fewer items, if it can filter.' },
        `a list of an upstream has more than ${maxItems} items, or too many bytes; the rest is ignored`
      )
    }
    this.#warnOfNames(lists)
    const definitions = definitionsOf(upstream, this.#approved(lists), forward, maxResultBytes)
    for (const { name, reason } of lists.malformed) this.#warnOfItem(name, reason)
    for (const name of definitions.repeated) this.#warnOfItem(name, 'it is listed more than once; the first is served')
    const wanted = new Map<string, Wanted>()
    for (const kind of kinds) {
      for (const [key, item] of definitions[kind]) {
        wanted.set(`${kind} ${key}`, { kind, key, text: JSON.stringify(item) })
      }
    }
    for (const [id, { kind, key, text }] of [...this.#items]) {
      const now = wanted.get(id)
      if (now?.text === text) continue
      if (now !== undefined && kind === 'tools' && lock === undefined) {
        this.#warn(
          { item: named(key), advice: 'Set UPSTREAMS_LOCK to serve only approved definitions.' },
          'an upstream changed the definition of a tool'
        )
      }
      remove(endpoint, kind, key)
      this.#items.delete(id)
    }
    for (const [id, item] of wanted) {
      if (!this.#items.has(id)) this.#add(endpoint, definitions, id, item)
    }
    this.#told = this.#telling
  }

  /** Repeats a warning only if the problem was gone in between. */
  #warnOnce (fields: Record<string, unknown>, message: string): void {
    const key = `${message} ${JSON.stringify(fields)}`
    if (!this.#told.has(key) && !this.#telling.has(key)) this.#warn(fields, message)
    this.#telling.add(key)
  }

  #warn (fields: Record<string, unknown>, message: string): void {
    const { upstream: { name: upstream }, log } = this.#options
    this.#warnings += 1
    if (this.#warnings <= maxWarnings) log.warn({ upstream, ...fields }, message)
    else if (this.#warnings === maxWarnings + 1) log.warn({ upstream }, 'an upstream has more faults than are logged')
  }

  #warnOfItem (name: string, reason: string): void {
    this.#warnOnce(
      {
        item: named(name),
        reason: reason.slice(0, 500),
        advice: 'Correct it on the upstream, rename it with `rename`, or leave it out with `exclude`.'
      },
      'an item of an upstream is not served'
    )
  }

  /** A name with a typing error in `exclude` would leave its item open. */
  #warnOfNames ({ tools, resources, templates, prompts, malformed }: Lists): void {
    const { include = [], exclude = [], rename = {} } = this.#options.upstream
    const offered = new Set([tools, resources, templates, prompts, malformed].flat().map(({ name }) => name))
    for (const [member, names] of Object.entries({ include, exclude, rename: Object.keys(rename) })) {
      for (const item of names) {
        if (offered.has(item)) continue
        this.#warnOnce(
          { item, advice: `Correct it in \`${member}\`, which uses the upstream's own names.` },
          'an upstream does not offer an item that its options name'
        )
      }
    }
  }

  #add (endpoint: Endpoint, definitions: Definitions, id: string, item: Wanted): void {
    try {
      add(endpoint, definitions, item)
      this.#items.set(id, item)
    } catch (error) {
      this.#warnOfItem(item.key, reasonOf(error))
    }
  }

  /** Removes the tools that are not approved. Without a lock, all tools are served. */
  #approved (lists: Lists): Lists {
    const { upstream, lock } = this.#options
    if (lock === undefined) return lists
    const tools = lists.tools.filter(tool => isApproved(lock, upstream.name, tool))
    this.#withheld = lists.tools
      .filter(tool => exposedName(upstream, tool.name) !== undefined && !tools.includes(tool))
      .map(({ name }) => name)
    for (const item of this.#withheld) {
      this.#warnOnce(
        {
          item: named(item),
          advice: 'Show the change with "upstreams check", approve it with "upstreams approve".'
        },
        'a tool is withheld: it differs from the approved definition'
      )
    }
    return { ...lists, tools }
  }
}

function named (item: string): string {
  return item.slice(0, maxNameLength)
}

function add (endpoint: Endpoint, definitions: Definitions, { kind, key }: Wanted): void {
  const tool = kind === 'tools' ? definitions.tools.get(key) : undefined
  const resource = kind === 'resources' ? definitions.resources.get(key) : undefined
  const prompt = kind === 'prompts' ? definitions.prompts.get(key) : undefined
  if (tool !== undefined) endpoint.addTool(tool)
  if (resource !== undefined) endpoint.addResource(resource)
  if (prompt !== undefined) endpoint.addPrompt(prompt)
}

function remove (endpoint: Endpoint, kind: ItemKind, key: string): void {
  if (kind === 'tools') endpoint.removeTool(key)
  if (kind === 'resources') endpoint.removeResource(key)
  if (kind === 'prompts') endpoint.removePrompt(key)
}
