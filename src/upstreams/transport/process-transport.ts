/** An MCP server as a child process: messages on its standard input and output, in a process group of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client'
import { isRecord } from '../../lib/guards.js'
import { tooLongCode, unreadableCode } from './bounded-fetch.js'
import { LineReader, readLines } from './lines.js'
import { groupLives, signalGroup, supervised } from './supervisor.js'

export interface ProcessOptions {
  readonly command: string
  readonly args: readonly string[]
  /** All variables that the process has. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
  /** A longer message is dropped, and its request answered with an error. */
  readonly maxMessageBytes: number
  /** A line that the process wrote to its standard error. */
  readonly line: (line: string) => void
}

/** From TERM to KILL. */
const graceMs = 5000
/** What the process has not read yet. Beyond it nothing more is sent. */
const maxUnreadBytes = 16 * 1024 * 1024
/** Lines in a row that are no message. A banner is shorter. */
const maxStrayLines = 1000

export class ProcessTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  // The SDK takes a transport with these two for one over stdio.
  readonly stderr = null
  pid: number | null = null
  readonly #options: ProcessOptions
  #child: ChildProcessWithoutNullStreams | undefined
  #ended: Promise<void> = Promise.resolve()
  #strayLines = 0
  /** Notifications of this step are still to be handled. */
  #isHandling = false
  #fault: string | undefined

  constructor (options: ProcessOptions) {
    this.#options = options
  }

  /** Why the process ended, as far as it is known. */
  get fault (): string | undefined { return this.#fault }

  /** Rejects where the command cannot be run. */
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
        // A process that it left behind may hold the pipes open.
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

  /** Ends the process and all that it started: TERM, and KILL after five seconds. */
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
    // After an answer that waits.
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
   * The SDK handles a notification one step later, and by then drops progress of a request whose answer is there: an
   * answer waits until the notifications before it have been handled.
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

  /** The beginning or the end of a message tells whose answer it is. */
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

/** The SDK drops a result that is no object, and its caller would wait for nothing. */
function readable (message: JSONRPCMessage): JSONRPCMessage {
  if (!('result' in message) || isRecord(message.result)) return message
  return { jsonrpc: '2.0', id: message.id, error: { code: unreadableCode, message: 'The result is not an object' } }
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
