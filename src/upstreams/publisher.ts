/** Puts what an upstream offers on the endpoint, and takes off what it offers no more. */
import type { FastifyBaseLogger } from 'fastify'
import type { Endpoint } from '../mcp/endpoint.js'
import { type Definitions, definitionsOf, exposedName, type Forward, type Lists, maxItems } from './definitions.js'
import { isApproved, type Lock } from './lock.js'
import { reasonOf } from './log-text.js'
import type { Upstream } from './options.js'

const kinds = ['tools', 'resources', 'prompts'] as const
type Kind = typeof kinds[number]

export interface PublisherOptions {
  readonly upstream: Upstream
  readonly log: Pick<FastifyBaseLogger, 'warn'>
  /** Tools as they were approved. Left out: a change is logged, and served. */
  readonly lock: Lock | undefined
  readonly maxResultBytes: number
}

interface Wanted {
  readonly kind: Kind
  readonly key: string
  readonly text: string
}

export class Publisher {
  readonly #options: PublisherOptions
  /** What the endpoint has of it now. */
  readonly #items = new Map<string, Wanted>()
  #withheld: readonly string[] = []
  /** What the log has been told: lists are learned again and again. */
  #told: ReadonlySet<string> = new Set()
  #telling = new Set<string>()

  constructor (options: PublisherOptions) {
    this.#options = options
  }

  /** Tools that are not as they were approved. */
  get withheld (): readonly string[] { return this.#withheld }

  /** `key`: of a tool or prompt its exposed name, of a resource its URI or template. */
  serves (kind: Kind, key: string): boolean {
    return this.#items.has(`${kind} ${key}`)
  }

  publish (endpoint: Endpoint, lists: Lists, forward: Forward): void {
    const { upstream, lock, log, maxResultBytes } = this.#options
    this.#telling = new Set()
    if (lists.isCut) {
      this.#warnOnce(
        { upstream: upstream.name, advice: 'Let that server list fewer items, if it can filter.' },
        `a list of an upstream has more than ${maxItems} items; the rest is ignored`
      )
    }
    const definitions = definitionsOf(upstream, this.#approved(lists), forward, maxResultBytes)
    const wanted = new Map<string, Wanted>(kinds.flatMap(kind =>
      [...definitions[kind]].map(([key, item]) => [`${kind} ${key}`, { kind, key, text: JSON.stringify(item) }] as const)
    ))
    for (const [id, { kind, key, text }] of [...this.#items]) {
      const now = wanted.get(id)
      if (now?.text === text) continue
      if (now !== undefined && kind === 'tools' && lock === undefined) {
        log.warn(
          { upstream: upstream.name, item: key, advice: 'Set UPSTREAMS_LOCK to serve only approved definitions.' },
          'an upstream changed the definition of a tool'
        )
      }
      remove(endpoint, kind, key)
      this.#items.delete(id)
    }
    for (const [id, one] of wanted) {
      if (!this.#items.has(id)) this.#add(endpoint, definitions, id, one)
    }
    this.#told = this.#telling
  }

  /** A warning is repeated only if it was over in between. */
  #warnOnce (fields: Record<string, unknown>, message: string): void {
    const key = `${message} ${JSON.stringify(fields)}`
    if (!this.#told.has(key) && !this.#telling.has(key)) this.#options.log.warn(fields, message)
    this.#telling.add(key)
  }

  #add (endpoint: Endpoint, definitions: Definitions, id: string, one: Wanted): void {
    const { upstream } = this.#options
    try {
      add(endpoint, definitions, one)
      this.#items.set(id, one)
    } catch (error) {
      this.#warnOnce(
        {
          upstream: upstream.name,
          item: one.key,
          reason: reasonOf(error).slice(0, 500),
          advice: 'Correct it on the upstream, rename it with `rename`, or leave it out with `exclude`.'
        },
        'an item of an upstream is not served'
      )
    }
  }

  /** Without a lock everything; with one what it approves. */
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
          upstream: upstream.name,
          item,
          advice: 'Show the change with "upstreams check", approve it with "upstreams approve".'
        },
        'a tool is withheld: it differs from the approved definition'
      )
    }
    return { ...lists, tools }
  }
}

function add (endpoint: Endpoint, definitions: Definitions, { kind, key }: Wanted): void {
  const tool = kind === 'tools' ? definitions.tools.get(key) : undefined
  const resource = kind === 'resources' ? definitions.resources.get(key) : undefined
  const prompt = kind === 'prompts' ? definitions.prompts.get(key) : undefined
  if (tool !== undefined) endpoint.addTool(tool)
  if (resource !== undefined) endpoint.addResource(resource)
  if (prompt !== undefined) endpoint.addPrompt(prompt)
}

function remove (endpoint: Endpoint, kind: Kind, key: string): void {
  if (kind === 'tools') endpoint.removeTool(key)
  if (kind === 'resources') endpoint.removeResource(key)
  if (kind === 'prompts') endpoint.removePrompt(key)
}
