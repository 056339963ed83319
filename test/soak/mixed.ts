/** Sessions, links and revocations for the soak test: each begins on one instance and continues on others. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

export interface MixOptions {
  readonly urls: () => readonly string[]
  /** Rejects if the connection is lost. */
  readonly send: (url: string, method: string, headers: Record<string, string>, body?: object) => Promise<Reply>
  readonly tokenOf: (user: string, role: 'admin' | 'user') => string
  readonly isOver: () => boolean
}

/** The longest time until an acknowledged revocation applies everywhere, even if a fault follows it. */
const settledMs = 20_000
const workers = 4

export class Mix {
  readonly counts = { sessions: 0, links: 0, revocations: 0, byPolicy: 0, lost: 0 }
  readonly problems = new Set<string>()
  readonly #options: MixOptions

  constructor (options: MixOptions) {
    this.#options = options
  }

  async run (): Promise<void> {
    await Promise.all(Array.from({ length: workers }, async (_, n) => {
      for (let round = 0; !this.#options.isOver(); round++) {
        for (const work of [this.#session, this.#link]) {
          await work.call(this, `mixed-${n}`, round).catch((error: unknown) => {
            if (error instanceof Problem) this.problems.add(error.message)
            else this.counts.lost += 1
          })
        }
        await sleep(500)
      }
    }))
  }

  async #session (user: string): Promise<void> {
    const headers = this.#headersOf(user)
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'soak', version: '1' } }
    const opened = await this.#post(this.#any(), headers, 'initialize', params)
    const id = opened.headers['mcp-session-id']
    if (typeof id !== 'string') return
    const session = { ...headers, 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' }
    for (let n = 0; n < 4; n++) {
      const { status, text } = await this.#post(this.#any(), session, 'tools/call', { name: 'whoami', arguments: {} })
      // Redis was emptied or is unavailable.
      if (status !== 200) return
      if (!text.includes(`jwt:${user}`)) throw new Problem('a session was answered with another principal')
    }
    const foreign = { ...session, ...this.#headersOf(`${user}-eve`) }
    const { status } = await this.#post(this.#any(), foreign, 'ping')
    if (status === 200) throw new Problem('a session was served to another principal')
    const ended = await this.#options.send(this.#any(), 'DELETE', session)
    if (ended.status !== 200) return
    if ((await this.#post(this.#any(), session, 'ping')).status === 200) throw new Problem('a session outlived DELETE')
    this.counts.sessions += 1
  }

  async #link (name: string, round: number): Promise<void> {
    const admin = this.#headersOf(`${name}-admin`, 'admin')
    const user = `${name}-guest-${round}`
    const minted = await this.#call(admin, 'generate-token', { userId: user })
    if (minted === undefined) return
    const path = new URL(String(minted.link)).pathname
    const claims = await Promise.all([this.#any(), this.#any()].map(async url =>
      await this.#options.send(url.replace(/\/mcp$/, path), 'POST', { 'x-forwarded-for': '198.51.101.7' })))
    const good = claims.filter(({ status }) => status === 200)
    if (good.length > 1) throw new Problem('a link was claimed twice')
    const [claimed] = good
    if (claimed === undefined) return
    this.counts.links += 1
    const guest = { ...admin, authorization: `Bearer ${String(JSON.parse(claimed.text).token)}` }
    const { status } = await this.#post(this.#any(), guest, 'ping')
    if (status === 401) throw new Problem('a claimed token is not valid')
    if (await this.#call(admin, 'revoke-token', { id: minted.id }) === undefined) return
    for (const until = performance.now() + settledMs; ;) {
      const statuses = await Promise.all(this.#options.urls().map(async url =>
        await this.#post(url, guest, 'ping').then(({ status }) => status, () => 0)))
      if (!statuses.includes(200)) break
      if (performance.now() > until) throw new Problem('a revoked token was accepted')
      await sleep(250)
    }
    this.counts.revocations += 1
  }

  /** The result of a tool; `undefined` if the call was refused. */
  async #call (headers: Record<string, string>, name: string, args: object): Promise<Structured | undefined> {
    const { status, text } = await this.#post(this.#any(), headers, 'tools/call', { name, arguments: args })
    if (status !== 200) return undefined
    const { result } = JSON.parse(text) as { result?: { isError?: boolean, structuredContent?: Structured } }
    if (result?.isError !== true) return result?.structuredContent ?? {}
    if (!text.includes('MCP_ERR_UNAVAILABLE')) throw new Problem(`${name} failed: ${text.slice(0, 200)}`)
    this.counts.byPolicy += 1
    return undefined
  }

  async #post (url: string, headers: Record<string, string>, method: string, params = {}): Promise<Reply> {
    const reply = await this.#options.send(url, 'POST', headers, { jsonrpc: '2.0', id: 1, method, params })
    if (reply.status === 503 && reply.headers['retry-after'] !== undefined) this.counts.byPolicy += 1
    else if (reply.status >= 500) throw new Problem(`${method} got ${reply.status}`)
    return reply
  }

  #headersOf (user: string, role: 'admin' | 'user' = 'user'): Record<string, string> {
    return { authorization: `Bearer ${this.#options.tokenOf(user, role)}`, 'x-forwarded-for': '198.51.101.9' }
  }

  #any (): string {
    const urls = this.#options.urls()
    return urls[Math.floor(Math.random() * urls.length)] ?? ''
  }
}

type Structured = Readonly<Record<string, unknown>>

class Problem extends Error {}
