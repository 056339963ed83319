/** One connection to an upstream: a process or an HTTP session, opened when it is needed and ended when it is idle. */
import { accessSync, constants } from 'node:fs'
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { version } from '../version.js'
import type { Upstream } from './options.js'
import { passedOn } from './process-environment.js'
import { Questions } from './questions.js'

/** What a connection tells of itself. */
export interface ConnectionEvents {
  /** A line that a process wrote to its standard error; at most 2,048 characters. */
  readonly line: (line: string) => void
  /** One of its lists changed. */
  readonly changed: () => void
  /** A resource has other contents now. */
  readonly updated: (uri: string) => void
  /** It ended without being asked to. */
  readonly lost: () => void
}

const maxLineLength = 2048
/** A message of a process above this ends it. */
const maxMessageBytes = 10 * 1024 * 1024

/** The upstream is away; callers are told to try again. */
export class UpstreamAwayError extends Error {
  override readonly name = 'UpstreamAwayError'
}

export class Connection {
  readonly client: Client
  readonly questions: Questions
  readonly #upstream: Upstream
  readonly #events: ConnectionEvents
  readonly #identity: string | undefined
  #isOpen = false
  #isClosing = false
  #running = 0
  #usedAt = Date.now()

  /** `identity`: the id of the principal that it is for, where it is for one alone. */
  constructor (upstream: Upstream, events: ConnectionEvents, identity?: string) {
    this.#upstream = upstream
    this.#events = events
    this.#identity = identity
    this.client = new Client({ name: 'fastify-mcp-auth', version }, {
      capabilities: {
        elicitation: { form: {}, url: {} },
        sampling: { tools: {} },
        // A server on our machine would take a remote caller's roots in place of the directories of its operator.
        ...(upstream.roots === 'caller' ? { roots: {} } : {})
      },
      versionNegotiation: { mode: 'auto' },
      // Rounds are driven by the call that they belong to: only it knows whom to ask.
      inputRequired: { autoFulfill: false },
      enforceStrictCapabilities: false
    })
    this.questions = new Questions(this.client, upstream.roots === 'caller')
  }

  get isOpen (): boolean { return this.#isOpen }
  get isIdle (): boolean { return this.#running === 0 }
  get usedAt (): number { return this.#usedAt }

  /** Rejects with an `UpstreamAwayError` where the upstream does not start, or not in time. */
  async open (): Promise<void> {
    const { client } = this
    client.onclose = () => {
      const wasOpen = this.#isOpen
      this.#isOpen = false
      if (wasOpen && !this.#isClosing) this.#events.lost()
    }
    client.onerror = () => {}
    for (const list of ['tools', 'prompts', 'resources'] as const) {
      client.setNotificationHandler(`notifications/${list}/list_changed`, () => { this.#events.changed() })
    }
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
      this.#events.updated(params.uri)
    })
    client.setNotificationHandler('notifications/message', ({ params }) => { this.questions.log(params) })
    try {
      await client.connect(this.#transport(), { timeout: this.#upstream.startTimeoutMs })
      this.#isOpen = true
    } catch (error) {
      await this.close()
      throw new UpstreamAwayError(`Upstream ${this.#upstream.name} did not start`, { cause: error })
    }
  }

  /** Runs `work` and counts it, so that an idle connection can be told. */
  async use<T> (work: (client: Client) => Promise<T>): Promise<T> {
    this.#running += 1
    this.#usedAt = Date.now()
    try {
      return await work(this.client)
    } finally {
      this.#running -= 1
      this.#usedAt = Date.now()
    }
  }

  async close (): Promise<void> {
    this.#isClosing = true
    this.#isOpen = false
    await this.client.close().catch(() => {})
  }

  #transport (): StdioClientTransport | StreamableHTTPClientTransport | SSEClientTransport {
    const { type, url = '', headers = {}, identityHeader } = this.#upstream
    if (type === 'stdio') return this.#process()
    const named =
      identityHeader === undefined || this.#identity === undefined
        ? headers
        : { ...headers, [identityHeader]: this.#identity }
    // A redirect would carry the headers, which hold a credential, to another host.
    const requestInit: RequestInit = { headers: named, redirect: 'error' }
    return type === 'sse'
      ? new SSEClientTransport(new URL(url), { requestInit })
      : new StreamableHTTPClientTransport(new URL(url), { requestInit })
  }

  #process (): StdioClientTransport {
    const { command = '', args = [], cwd } = this.#upstream
    const transport = new StdioClientTransport({
      ...bound(command, args),
      env: environmentOf(this.#upstream),
      stderr: 'pipe',
      maxBufferSize: maxMessageBytes,
      ...(cwd === undefined ? {} : { cwd })
    })
    followLines(transport.stderr, this.#events.line)
    return transport
  }
}

/** What a process gets of our environment. The SDK adds more by itself, which `undefined` takes out again. */
function environmentOf ({ env = {} }: Upstream): Record<string, string> {
  return {
    LOGNAME: undefined,
    SHELL: undefined,
    TERM: undefined,
    USER: undefined,
    ...passedOn(),
    ...env
  } as unknown as Record<string, string>
}

const setpriv = '/usr/bin/setpriv'

/** Where Linux has it, the process ends with ours, however ours ends. */
function bound (command: string, args: readonly string[]): { command: string, args: string[] } {
  try {
    accessSync(setpriv, constants.X_OK)
    return { command: setpriv, args: ['--pdeathsig', 'TERM', '--', command, ...args] }
  } catch {
    return { command, args: [...args] }
  }
}

function followLines (stream: unknown, tell: (line: string) => void): void {
  const readable = stream as NodeJS.ReadableStream | null
  if (readable === null) return
  let rest = ''
  let isSkipping = false
  readable.setEncoding('utf8')
  readable.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!isSkipping && line.trim() !== '') tell(line.slice(0, maxLineLength))
      isSkipping = false
    }
    if (rest.length <= maxLineLength) return
    if (!isSkipping) tell(rest.slice(0, maxLineLength))
    isSkipping = true
    rest = ''
  })
}
