/** Runs an MCP server as a child process and exchanges messages over its standard input and output. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client'
import { isRecord } from '../../lib/guards.js'
import { tooLongCode, unreadableCode } from './bounded-fetch.js'
import { LineReader, readLines } from './lines.js'
import { groupLives, signalGroup, supervised } from './supervisor.js'

export interface ProcessOptions {
  readonly command: string
  readonly args: readonly string[]
  /** The complete environment of the process. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
  /** Longer messages are dropped, and their request gets an error. */
  readonly maxMessageBytes: number
  /** Called for each line on standard error. */
  readonly line: (line: string) => void
}

/** Time between TERM and KILL. */
const graceMs = 5000
/** If the process has this many unread bytes, sending fails. */
const maxUnreadBytes = 16 * 1024 * 1024
/** Maximum number of consecutive lines that are not messages. Start banners are shorter. */
const maxStrayLines = 1000

export class ProcessTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  // The SDK recognizes a stdio transport by `stderr` and `pid`.
  readonly stderr = null
  pid: number | null = null
  readonly #options: ProcessOptions
  #child: ChildProcessWithoutNullStreams | undefined
  #ended: Promise<void> = Promise.resolve()
  #strayLines = 0
  /** True until the SDK has handled the notifications of this tick. */
  #isHandling = false
  #fault: string | undefined

  constructor (options: ProcessOptions) {
    this.#options = options
  }

  /** Why the process ended, as far as it is known. */
  get fault (): string | undefined { return this.#fault }

  /** Starts the process. Rejects if the command cannot be run. */
  async start (): Promise<void> {
    const { command, args, env, cwd, maxMessageBytes, line } = this.#options
    const [program, ...rest] = supervised(command, args)
    const child = spawn(program, rest, {
      env,
      stdio: 'pipe',
      detached: true,
      ...(cwd === undefined ? {} : { cwd })
    })
    this.#child = child
    this.pid = child.pid ?? null
    const reader = new LineReader(maxMessageBytes, (text, isCut) => { this.#take(text, isCut) })
    child.stdout.on('data', (chunk: Buffer) => { reader.read(chunk) })
    readLines(child.stderr, line)
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {})
    this.#ended = new Promise(resolve => {
      child.once('error', () => { resolve() })
      child.once('exit', (code, signal) => {
        this.#fault ??= faultOf(code, signal)
        // A remaining child process may keep the pipes open, so `close` may never be emitted.
        const timer = setTimeout(resolve, 200)
        child.once('close', () => {
          clearTimeout(timer)
          resolve()
        })
      })
    })
    this.#ended.then(() => { this.#finish() }, () => {})
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
  }

  async send (message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin
    if (stdin === undefined || !stdin.writable) throw new Error('The process has ended')
    if (stdin.writableLength > maxUnreadBytes) throw new Error('The process does not read its input')
    stdin.write(`${JSON.stringify(message)}\n`)
  }

  /** Ends the whole process group: TERM, and KILL after five seconds. */
  async close (): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const { pid } = child
    child.stdin.end()
    if (pid === undefined) return
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    const kill = setTimeout(() => { signalGroup(pid, 'SIGKILL') }, graceMs)
    await this.#ended
    while (groupLives(pid)) await new Promise(resolve => setTimeout(resolve, 20))
    clearTimeout(kill)
  }

  #finish (): void {
    const child = this.#child
    if (child === undefined) return
    child.stdout.destroy()
    child.stderr.destroy()
    child.stdin.destroy()
    const { pid } = child
    if (pid !== undefined && groupLives(pid)) {
      setTimeout(() => { signalGroup(pid, 'SIGKILL') }, graceMs).unref()
    }
    // After a response that `#pass` has delayed.
    setImmediate(() => { this.onclose?.() })
  }

  #take (text: string, isCut: boolean): void {
    if (isCut) {
      this.#answerTooLong(text)
      return
    }
    const message = parse(text)
    if (message !== undefined) {
      this.#strayLines = 0
      this.#pass(readable(message))
      return
    }
    if (text.trim() === '') return
    this.#strayLines += 1
    if (this.#strayLines === 1) this.onerror?.(new Error('wrote text that is not a message to its standard output'))
    if (this.#strayLines > maxStrayLines) this.#end('wrote too much text that is not a message to its standard output')
  }

  /**
   * Delays a response until the SDK has handled the notifications before it. The SDK handles notifications
   * one tick later, and drops progress of a request that already has its response.
   */
  #pass (message: JSONRPCMessage): void {
    const isNotification = !('id' in message)
    if (isNotification && !this.#isHandling) {
      this.#isHandling = true
      setImmediate(() => { this.#isHandling = false })
    }
    if (isNotification || 'method' in message || !this.#isHandling) this.onmessage?.(message)
    else setImmediate(() => { this.onmessage?.(message) })
  }

  /** Finds the request id at the beginning or the end of the message. */
  #answerTooLong (ends: string): void {
    const [, first, last] = /^\{(?:"jsonrpc":\s*"2\.0",\s*)?"id":\s*(\d+)|"id":\s*(\d+)\s*\}\s*$/.exec(ends) ?? []
    const id = first ?? last
    if (id === undefined) {
      this.#end('wrote a message that is too long')
      return
    }
    this.onerror?.(new Error('wrote a message that is too long'))
    this.onmessage?.({
      jsonrpc: '2.0',
      id: Number(id),
      error: { code: tooLongCode, message: 'The message is too long' }
    })
  }

  #end (fault: string): void {
    this.#fault = fault
    this.#child?.stdout.pause()
    this.close().catch(() => {})
  }
}

/** The SDK ignores a response that is not valid, and the request would never end. */
function readable (message: JSONRPCMessage): JSONRPCMessage {
  if ('method' in message || !('id' in message) || isResponse(message)) return message
  return { jsonrpc: '2.0', id: message.id, error: { code: unreadableCode, message: 'The response is not valid' } }
}

/** A response has a result or an error, and nothing else (JSON-RPC 2.0, 5). */
function isResponse ({ jsonrpc: _, id: __, ...rest }: Record<string, unknown>): boolean {
  const [name, ...others] = Object.keys(rest)
  if (others.length > 0) return false
  if (name === 'result') return isRecord(rest.result)
  const { error } = rest
  return isRecord(error) && Number.isSafeInteger(error.code) && typeof error.message === 'string'
}

function parse (text: string): JSONRPCMessage | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) && value.jsonrpc === '2.0' ? value as JSONRPCMessage : undefined
  } catch {
    return undefined
  }
}

function faultOf (code: number | null, signal: NodeJS.Signals | null): string {
  if (code === 127) return 'ended with code 127: the command was not found'
  return signal === null ? `ended with code ${code ?? 0}` : `was ended by ${signal}`
}
