/** Sessions in Redis, shared by all instances: a hash for each session, and counts per caller. */
import { UnavailableError, retryLater } from '../errors.js'
import { isListOf, isRecord } from '../lib/guards.js'
import { type Rights, joinRights, tooManyRights } from '../mcp/legacy/sessions/rights.js'
import {
  type NewSession,
  type SessionBounds,
  type SessionChange,
  type SessionRecord,
  type SessionStore,
  maxUris
} from '../mcp/legacy/sessions/store.js'
import { type RedisKeys, keyHashOf } from './link/keys.js'
import type { Argument, Link } from './link/link.js'
import type { Script } from './link/scripts.js'
import {
  admitSession,
  changeSession,
  dismissSession,
  endSession,
  noteUse,
  openSession,
  useSession
} from './session-scripts.js'

export interface RedisSessionsOptions {
  readonly link: Link
  readonly keys: RedisKeys
  readonly bounds: SessionBounds
  /** How often the use of a session is written, in milliseconds. Default 1,000. */
  readonly useMs?: number
}

export class RedisSessions implements SessionStore {
  readonly isShared = true
  readonly #link: Link
  readonly #keys: RedisKeys
  readonly #bounds: SessionBounds
  readonly #useMs: number
  /** When this instance last wrote the use of a session. */
  readonly #noted = new Map<string, number>()
  readonly #owners = new Map<string, string>()

  constructor ({ link, keys, bounds, useMs = 1000 }: RedisSessionsOptions) {
    this.#link = link
    this.#keys = keys
    this.#bounds = bounds
    this.#useMs = useMs
  }

  async create (id: string, { owner, revision, capabilities, client, rights }: NewSession): Promise<readonly string[]> {
    const { max, maxPerPrincipal, idleMs, lifetimeMs } = this.#bounds
    const hash = this.#hashOf(owner)
    const about = JSON.stringify({ revision, capabilities, client })
    const rightFields = fieldsOf(rights).flatMap(field => [field, 1])
    await this.#run(
      openSession,
      [this.#keyOf(id)],
      [Math.min(idleMs, lifetimeMs), 'o', hash, 'a', about, 'l', 0, 'v', 1, ...rightFields]
    )
    const ended = await this.#run(admitSession, this.#shared(hash), [
      hash,
      id,
      max,
      maxPerPrincipal,
      idleMs,
      lifetimeMs,
      this.#ownerKey('')
    ])
    const ids = Array.isArray(ended) ? ended.map(String) : []
    await Promise.all(ids.map(async id => { await this.#call('UNLINK', this.#keyOf(id)) }))
    return ids
  }

  async use (id: string, owner: string, adds?: Rights, known?: SessionRecord): Promise<SessionRecord | undefined> {
    const hash = this.#hashOf(owner)
    const added =
      adds === undefined || (known !== undefined && joinRights(known.rights, adds) === known.rights)
        ? []
        : fieldsOf(adds)
    const reply = await this.#use(id, hash, known?.owner === owner ? known.version : 0, added)
    if (reply === 0) return undefined
    this.#note(id, hash)
    return reply === 1 ? known : recordOf(owner, reply)
  }

  async set (id: string, change: SessionChange): Promise<number | 'full' | undefined> {
    const [[kind = '', value = ''] = []] = Object.entries<string | number>(change)
    const version = Number(await this.#run(changeSession, [this.#keyOf(id)], [kind, value, maxUris]))
    if (version === -1) return undefined
    return version === -2 ? 'full' : version
  }

  async keep (ids: readonly string[]): Promise<readonly string[]> {
    this.#forget()
    const over = await Promise.all(ids.map(async id => {
      const reply = await this.#use(id, '', 0, [])
      if (reply === 0) return [id]
      const hash = fieldsIn(reply).get('o')
      if (hash !== undefined) this.#note(id, hash)
      return []
    }))
    return over.flat()
  }

  async end (id: string): Promise<void> {
    const hash = await this.#run(endSession, [this.#keyOf(id)], [])
    if (typeof hash === 'string') await this.#run(dismissSession, this.#shared(hash), [hash, id])
  }

  async ask (id: string, question: string, needed: Rights, ttlMs: number): Promise<void> {
    await this.#call('SET', this.#questionKey(id, question), JSON.stringify(needed), 'PX', ttlMs)
  }

  async asked (id: string, question: string): Promise<Rights | undefined> {
    const { admin, roles, scopes, kinds } = parse(
      String((await this.#call('GET', this.#questionKey(id, question))) ?? '')
    )
    return isTexts(roles) && isTexts(scopes) && isTexts(kinds)
      ? { admin: admin === true, roles, scopes, kinds }
      : undefined
  }

  answered (id: string, question: string): void {
    this.#link.call('UNLINK', this.#questionKey(id, question)).catch(() => {
      // It expires.
    })
  }

  #questionKey (id: string, question: string): string {
    return this.#keys.of('s', id, `:q:${question}`)
  }

  async #use (id: string, hash: string, version: number, adds: readonly string[]): Promise<unknown> {
    const { idleMs, lifetimeMs } = this.#bounds
    return await this.#run(useSession, [this.#keyOf(id)], [hash, version, idleMs, lifetimeMs, ...adds])
  }

  /** Not awaited: the time is only used to choose the session that ends if there are too many. */
  #note (id: string, hash: string): void {
    const now = performance.now()
    if (now - (this.#noted.get(id) ?? -Infinity) < this.#useMs) return
    this.#noted.set(id, now)
    const [all, , own] = this.#shared(hash)
    this.#link.run(noteUse, [all, own], [hash + id, this.#bounds.lifetimeMs]).catch(() => {})
  }

  #forget (): void {
    const now = performance.now()
    for (const [id, at] of this.#noted) if (now - at >= this.#useMs) this.#noted.delete(id)
  }

  /** Cached, because every request needs the hash of its caller. */
  #hashOf (owner: string): string {
    const known = this.#owners.get(owner)
    if (known !== undefined) return known
    if (this.#owners.size >= maxOwners) this.#owners.clear()
    const hash = keyHashOf(owner)
    this.#owners.set(owner, hash)
    return hash
  }

  #keyOf (id: string): string {
    return this.#keys.of('s', id)
  }

  #ownerKey (hash: string): string {
    return this.#keys.of('sessions', 'sessions', `:owner:${hash}`)
  }

  /**
   * The keys of all sessions, of the counts, and of the sessions of one owner. All are in one Cluster slot.
   */
  #shared (hash: string): [string, string, string] {
    return [
      this.#keys.of('sessions', 'sessions', ':all'),
      this.#keys.of('sessions', 'sessions', ':counts'),
      this.#ownerKey(hash)
    ]
  }

  async #run (script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return await available(this.#link.run(script, keys, args))
  }

  async #call (...command: readonly [string, ...Argument[]]): Promise<unknown> {
    return await available(this.#link.call(...command))
  }
}

const maxOwners = 10_000

/**
 * Converts a failure of Redis into an `UnavailableError` (503): without Redis, no instance knows the
 * sessions.
 */
export async function available<T> (reply: Promise<T>): Promise<T> {
  try {
    return await reply
  } catch (error) {
    throw new UnavailableError(
      retryLater(1000, {
        reason: `sessions cannot be reached: ${error instanceof Error ? error.message : 'unknown'}`
      })
    )
  }
}

const maxFields = 600

function fieldsOf ({ admin, roles, scopes, kinds }: Rights): string[] {
  const fields = [
    ...roles.map(role => `r:${role}`),
    ...scopes.map(scope => `s:${scope}`),
    ...kinds.map(kind => `k:${kind}`)
  ]
  return [...admin ? ['admin'] : [], ...fields.length > maxFields ? ['many'] : fields]
}

function fieldsIn (reply: unknown): Map<string, string> {
  const fields = new Map<string, string>()
  if (Array.isArray(reply)) for (let i = 0; i < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]))
  return fields
}

/** `undefined` for a session of a later version that cannot be read. */
function recordOf (owner: string, reply: unknown): SessionRecord | undefined {
  const fields = fieldsIn(reply)
  const named = (kind: string): string[] =>
    [...fields.keys()].filter(field => field.startsWith(`${kind}:`)).map(field => field.slice(2))
  const { revision, capabilities, client } = parse(fields.get('a'))
  if (typeof revision !== 'string' || !isRecord(capabilities) || !isRecord(client)) return undefined
  const admin = fields.has('admin')
  return {
    owner,
    revision,
    capabilities,
    client: { name: String(client.name), version: String(client.version) },
    level: Number(fields.get('l')),
    uris: named('u'),
    rights: fields.has('many')
      ? tooManyRights(admin)
      : { admin, roles: named('r'), scopes: named('s'), kinds: named('k') },
    version: Number(fields.get('v'))
  }
}

function isTexts (value: unknown): value is string[] {
  return isListOf(value, item => typeof item === 'string')
}

function parse (json: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json ?? '')
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}
