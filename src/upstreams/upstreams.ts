/** All servers behind this one: their lists become items of the endpoint, and their calls go where they belong. */
import type { FastifyBaseLogger } from 'fastify'
import type { Endpoint } from '../mcp/endpoint.js'
import type { CallContext } from '../tools/call-context.js'
import { Parking } from './call.js'
import { Connection, type ConnectionEvents } from './connection.js'
import { type Definitions, definitionsOf, exposedName, type Lists, listsOf } from './definitions.js'
import { type ForwardOptions, forwardBy } from './forward.js'
import { digestOf, type Lock, pinnedOf } from './lock.js'
import { type Upstream, UpstreamError } from './options.js'
import { Pool } from './pool.js'

export interface OpenOptions {
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn' | 'error'>
  /** Default 8 MiB. */
  readonly maxResultBytes?: number | undefined
  /** Tools as they were approved. Left out: a change is logged, and served. */
  readonly lock?: Lock | undefined
}

const eightMiB = 8 * 1024 * 1024
const retryMs = 10_000
const settleMs = 100
const kinds = ['tools', 'resources', 'prompts'] as const

interface Served {
  readonly upstream: Upstream
  readonly pool: Pool
  lists: Lists | undefined
  /** The definitions that the endpoint has now, as JSON by kind and key. */
  readonly items: Map<string, string>
  withheld: readonly string[]
  timer: NodeJS.Timeout | undefined
}

export class Upstreams {
  readonly #served: Served[]
  readonly #options: OpenOptions
  readonly #parking = new Parking()
  #endpoint: Endpoint | undefined
  #isClosed = false

  private constructor (upstreams: readonly Upstream[], options: OpenOptions) {
    this.#options = options
    this.#served = upstreams.map(upstream => {
      const served: Served = {
        upstream,
        pool: new Pool(
          upstream,
          this.#eventsOf(() => served)
        ),
        lists: undefined,
        items: new Map(),
        withheld: [],
        timer: undefined
      }
      return served
    })
  }

  /**
   * Learns the lists of all. One that is away is left out and asked again later. Throws an `UpstreamError`
   * where two offer one name.
   */
  static async open (upstreams: readonly Upstream[], options: OpenOptions): Promise<Upstreams> {
    const all = new Upstreams(upstreams, options)
    await Promise.all(all.#served.map(async served => { await all.#learn(served) }))
    try {
      all.#requireDistinct()
    } catch (error) {
      await all.close()
      throw error
    }
    return all
  }

  /** Adds what is offered to the endpoint, now and whenever it changes. */
  serve (endpoint: Endpoint): void {
    this.#endpoint = endpoint
    for (const served of this.#served) this.#publish(served)
  }

  /** The names of the tools that are served, or will be. */
  toolNames (): readonly string[] {
    return this.#served.flatMap(({ upstream, lists }) =>
      (lists?.tools ?? []).flatMap(({ name }) => exposedName(upstream, name) ?? [])
    )
  }

  /** Names of upstreams that are away or hold withheld tools; `isFatal` where one is required. */
  problems (): ReadonlyArray<{ readonly reason: 'upstream', readonly isFatal: boolean }> {
    return this.#served
      .filter(({ lists, pool, withheld }) => lists === undefined || pool.isAway || withheld.length > 0)
      .map(({ upstream, lists, pool }) => ({
        reason: 'upstream' as const,
        isFatal: upstream.required && (lists === undefined || pool.isAway)
      }))
  }

  async close (): Promise<void> {
    this.#isClosed = true
    this.#parking.close()
    for (const { timer } of this.#served) clearTimeout(timer)
    await Promise.all(this.#served.map(async ({ pool }) => { await pool.close() }))
  }

  /** Opens the upstream once to learn its lists; a process that is not shared is ended again. */
  async #learn (served: Served): Promise<void> {
    const { upstream, pool } = served
    const isKept = upstream.share === 'all'
    let connection: Connection | undefined
    try {
      connection = isKept ? await pool.of('') : new Connection(upstream, this.#eventsOf(() => served))
      if (!isKept) await connection.open()
      served.lists = await connection.use(listsOf)
    } catch (error) {
      this.#options.log.warn(
        { upstream: upstream.name, reason: reasonOf(error) },
        'upstream is away; tried again later'
      )
      this.#later(served, retryMs)
    } finally {
      if (!isKept) await connection?.close()
    }
  }

  #later (served: Served, ms: number): void {
    if (this.#isClosed) return
    clearTimeout(served.timer)
    served.timer = setTimeout(() => {
      this.#learn(served).then(() => { if (!this.#isClosed) this.#publish(served) }, () => {})
    }, ms).unref()
  }

  #eventsOf (served: () => Served): ConnectionEvents {
    const { log } = this.#options
    return {
      line: line => { log.info({ upstream: served().upstream.name, line }, 'upstream says') },
      changed: () => { this.#later(served(), settleMs) },
      updated: uri => { this.#endpoint?.resourceUpdated(uri) },
      lost: () => { log.warn({ upstream: served().upstream.name }, 'upstream ended; started again at the next call') }
    }
  }

  #requireDistinct (): void {
    const owners = new Map<string, string>()
    for (const { upstream, lists } of this.#served) {
      for (const [kind, items] of [['tool', lists?.tools ?? []], ['prompt', lists?.prompts ?? []]] as const) {
        for (const { name } of items) {
          const exposed = exposedName(upstream, name)
          const key = `${kind} ${JSON.stringify(exposed)}`
          const owner = owners.get(key)
          if (exposed === undefined) continue
          if (owner !== undefined && owner !== upstream.name) {
            throw new UpstreamError(
              `Upstreams ${JSON.stringify(owner)} and ${JSON.stringify(upstream.name)} both offer the ` +
                `${key}; give ${JSON.stringify(upstream.name)} another \`prefix\``
            )
          }
          owners.set(key, upstream.name)
        }
      }
    }
  }

  #publish (served: Served): void {
    const endpoint = this.#endpoint
    const { upstream, lists, items } = served
    if (endpoint === undefined || lists === undefined) return
    const definitions = definitionsOf(upstream, this.#approved(served, lists), forwardBy(this.#forwarding(served)))
    const wanted = new Map<string, { kind: (typeof kinds)[number]; key: string; text: string }>(
      kinds.flatMap(kind =>
        [...definitions[kind]].map(
          ([key, item]) => [`${kind} ${key}`, { kind, key, text: JSON.stringify(item) }] as const
        )
      )
    )
    for (const id of [...items.keys()]) {
      if (wanted.get(id)?.text === items.get(id)) continue
      const [kind = '', ...rest] = id.split(' ')
      remove(endpoint, kind, rest.join(' '))
      items.delete(id)
    }
    for (const [id, { kind, key, text }] of wanted) {
      if (items.has(id)) continue
      try {
        add(endpoint, definitions, kind, key)
        items.set(id, text)
      } catch (error) {
        this.#options.log.warn(
          { upstream: upstream.name, item: key, reason: reasonOf(error) },
          'an item of an upstream is left out'
        )
      }
    }
  }

  /** Without a lock everything; with one what it approves. */
  #approved (served: Served, lists: Lists): Lists {
    const { lock, log } = this.#options
    if (lock === undefined) return lists
    const pinned = lock[served.upstream.name] ?? {}
    const isApproved = (tool: Lists['tools'][number]): boolean => pinned[tool.name]?.digest === digestOf(pinnedOf(tool))
    served.withheld = lists.tools
      .filter(tool => exposedName(served.upstream, tool.name) !== undefined && !isApproved(tool))
      .map(({ name }) => name)
    for (const item of served.withheld) {
      log.warn({ upstream: served.upstream.name, item }, 'a tool is withheld: it is not as it was approved')
    }
    return { ...lists, tools: lists.tools.filter(isApproved) }
  }

  #forwarding (served: Served): ForwardOptions {
    const { log, maxResultBytes = eightMiB } = this.#options
    return {
      pool: served.pool,
      parking: this.#parking,
      maxResultBytes,
      definition: name => served.lists?.tools.find(tool => tool.name === name),
      report: (error: unknown, { requestId }: CallContext) => {
        log.warn(
          { upstream: served.upstream.name, reqId: requestId, reason: reasonOf(error) },
          'a request to an upstream failed'
        )
      }
    }
  }
}

function add (endpoint: Endpoint, definitions: Definitions, kind: typeof kinds[number], key: string): void {
  const tool = kind === 'tools' ? definitions.tools.get(key) : undefined
  const resource = kind === 'resources' ? definitions.resources.get(key) : undefined
  const prompt = kind === 'prompts' ? definitions.prompts.get(key) : undefined
  if (tool !== undefined) endpoint.addTool(tool)
  if (resource !== undefined) endpoint.addResource(resource)
  if (prompt !== undefined) endpoint.addPrompt(prompt)
}

function remove (endpoint: Endpoint, kind: string, key: string): void {
  if (kind === 'tools') endpoint.removeTool(key)
  if (kind === 'resources') endpoint.removeResource(key)
  if (kind === 'prompts') endpoint.removePrompt(key)
}

/** The message and that of the cause, for the log. */
function reasonOf (error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
