/** The state of one run of the doctor: its target, credential, client and results. */
import { BlockList, isIP } from 'node:net'
import { type DoctorAnswer, ask, type Held, hold, type DoctorRequest } from './request.js'

export const hosts = ['claude', 'chatgpt', 'vscode'] as const
/** The client that must be able to reach the server. */
export type HostName = (typeof hosts)[number]

export interface VisitOptions {
  /** The URL of the endpoint, as users type it. */
  readonly url: URL
  /** The header `x-api-key` or `authorization`. Without it, checks that need a credential are skipped. */
  readonly credential?: Readonly<Record<string, string>> | undefined
  readonly as?: HostName | undefined
  readonly patience?: Partial<Patience>
}

/** How long the doctor waits, in milliseconds. */
export interface Patience {
  /** Maximum wait for a response. Default 10,000. */
  readonly answerMs: number
  /** A response that takes this long is reported as slow. Default 5,000. */
  readonly slowMs: number
  /** If the first event of a stream takes longer, the stream is reported as buffered. Default 5,000. */
  readonly firstEventMs: number
  /** How long a stream is held open. Default 20,000. */
  readonly holdMs: number
  /**
   * Maximum wait for a keep-alive, which the server sends every 15 seconds. 0: not checked. Default 25,000.
   */
  readonly keepAliveMs: number
}

const usual: Patience = { answerMs: 10_000, slowMs: 5000, firstEventMs: 5000, holdMs: 20_000, keepAliveMs: 25_000 }

const legacyRevision = '2025-11-25'
const modernRevision = '2026-07-28'

export class Visit {
  readonly url: URL
  readonly as: HostName | undefined
  readonly credential: Readonly<Record<string, string>> | undefined
  readonly patience: Patience
  /** True if the URL is on loopback, so that only this machine can reach the server. */
  readonly isLocal: boolean
  /** The scopes in the resource metadata. Empty until it has been read. */
  advertised: readonly string[] = []
  /** True if something in front of the app answers calls with the credential, so that checks with it say nothing. */
  hasObstacle = false
  #anonymous: Promise<DoctorAnswer> | undefined

  constructor ({ url, credential, as, patience }: VisitOptions) {
    this.url = url
    this.credential = credential
    this.as = as
    this.patience = { ...usual, ...patience }
    this.isLocal = isLoopbackName(url.hostname)
  }

  /** The severity of findings that do not matter on loopback. */
  get publicSeverity (): 'error' | 'info' {
    return this.isLocal && !this.isHosted ? 'info' : 'error'
  }

  /** True if the client calls from the internet. */
  get isHosted (): boolean {
    return this.as === 'claude' || this.as === 'chatgpt'
  }

  /** The response to a call without a credential. It is sent once and cached. */
  async anonymous (): Promise<DoctorAnswer> {
    this.#anonymous ??= this.post(legacy('ping'), {}, false)
    return await this.#anonymous
  }

  /** Posts to the endpoint, or to `url`. Sends the credential only to the origin of the endpoint. */
  async post (
    message: Message,
    question: DoctorRequest & { readonly url?: URL } = {},
    withCredential = true
  ): Promise<DoctorAnswer> {
    const { url = this.url, headers, ...rest } = question
    return await this.ask(url, {
      method: 'POST',
      body: JSON.stringify(message.body),
      ...rest,
      headers: {
        ...message.headers,
        ...(withCredential && url.origin === this.url.origin ? this.credential : {}),
        ...headers
      }
    })
  }

  /** Sends a request. Does not add the credential. */
  async ask (url: URL, question: DoctorRequest = {}): Promise<DoctorAnswer> {
    return await ask(url, question, this.patience.answerMs)
  }

  /** Holds the stream that the endpoint opens for `message`. */
  async hold ({ body, headers }: Message): Promise<Held> {
    const { holdMs, firstEventMs, keepAliveMs } = this.patience
    return await hold(
      this.url,
      {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { ...headers, 'accept-encoding': 'gzip', ...this.credential }
      },
      { holdMs, firstByteMs: firstEventMs, commentMs: keepAliveMs }
    )
  }

  /**
   * True for a URL that the tested server names and that this machine may reach, but not its callers. The doctor
   * must not call it (SSRF).
   */
  isInside ({ hostname }: URL): boolean {
    return !this.isLocal && (isLoopbackName(hostname) || isPrivate(bareName(hostname)))
  }

  at (path: string): URL {
    return new URL(path, this.url.origin)
  }
}

export interface Message { readonly body: Record<string, unknown>, readonly headers: Readonly<Record<string, string>> }

const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

export function legacy (method: string, params: Record<string, unknown> = {}): Message {
  return { body: { jsonrpc: '2.0', id: 1, method, params }, headers: json }
}

export const initialize = legacy('initialize', {
  protocolVersion: legacyRevision,
  capabilities: {},
  clientInfo: { name: 'fastify-mcp-auth-doctor', version: '1' }
})

export function modern (method: string, params: Record<string, unknown> = {}): Message {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': modernRevision,
    'io.modelcontextprotocol/clientCapabilities': {}
  }
  return {
    body: { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } },
    headers: { ...json, 'mcp-protocol-version': modernRevision, 'mcp-method': method }
  }
}

const privateAddresses = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16]
] as const) { privateAddresses.addSubnet(network, prefix, 'ipv4') }
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10]
] as const) { privateAddresses.addSubnet(network, prefix, 'ipv6') }

/** True for an address that is not reachable from the internet. */
export function isPrivate (address: string): boolean {
  return privateAddresses.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** The host name of a URL, an IPv6 address without its brackets. */
export function bareName (hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

function isLoopbackName (hostname: string): boolean {
  const bare = bareName(hostname)
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

/** Returns an absolute http or https URL. `undefined` for anything else. */
export function webUrl (text: unknown): URL | undefined {
  if (typeof text !== 'string' || !URL.canParse(text)) return undefined
  const url = new URL(text)
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined
}
