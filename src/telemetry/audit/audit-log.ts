/**
 * The audit: a record of each decision, in a chain, in a file or on standard output. It never blocks and
 * never throws.
 */
import { codeOf } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { createRedactor } from '../../log/redact.js'
import type { Decision, DecisionKind, Observer } from '../decision.js'
import { Chain, createDigest, type Head, type Sealed } from './chain.js'
import { RecordWriter } from './record.js'
import { RotatingFile, type Tail } from './rotating-file.js'

export interface AuditOptions {
  /** The file that records are added to; its directory has to be there. Left out: none. */
  readonly file?: string | undefined
  /**
   * Where records go as lines, too. `hasRoom`: false while it takes no more; without a file records are dropped then,
   * and counted. Left out: nowhere.
   */
  readonly stream?: { write: (line: string) => void, hasRoom?: () => boolean } | undefined
  /**
   * Makes the hashes an HMAC: without it nobody can write a chain that holds. At least 32 characters. Left
   * out: SHA-256.
   */
  readonly key?: string | undefined
  /** Bytes after which the file is put aside. Default 64 MiB; it is also put aside each day (UTC). */
  readonly maxBytes?: number | undefined
  /** How many files that were put aside are kept. Default 30. */
  readonly keep?: number | undefined
  /** Configured credentials, blotted out wherever they stand. */
  readonly secrets?: readonly string[] | undefined
  /** Bytes that may wait for a disk; what comes after is dropped, and counted. Default 8 MiB. */
  readonly maxQueuedBytes?: number | undefined
}

/** The audit file cannot be used, for a reason that the operator can mend. */
export class AuditFileError extends OperatorError {
  override readonly name = 'AuditFileError'
}

export interface AuditLogger {
  readonly info: (fields: object, message: string) => void
  readonly error: (fields: object, message: string) => void
}

const headIntervalMs = 60_000
const closeMs = 2000
/** What is served as anything but a call of the endpoint decides nothing about anybody. */
const ignored: ReadonlySet<DecisionKind> = new Set(['served'])

export class AuditLog implements Observer {
  readonly #log: AuditLogger
  readonly #chain: Chain
  readonly #records: RecordWriter
  readonly #stream: AuditOptions['stream']
  readonly #file: RotatingFile | undefined
  readonly #timer: NodeJS.Timeout
  #dropped = 0
  #droppedInAll = 0
  #told = 0

  private constructor (
    {
      file,
      stream,
      key,
      maxBytes = 64 * 1024 * 1024,
      keep = 30,
      secrets,
      maxQueuedBytes = 8 * 1024 * 1024
    }: AuditOptions,
    log: AuditLogger
  ) {
    this.#log = log
    const digest = createDigest(key)
    this.#stream = stream
    this.#chain = new Chain(digest)
    this.#records = new RecordWriter(
      digest,
      createRedactor([...(secrets ?? []), ...(key === undefined ? [] : [key])])
    )
    this.#file =
      file === undefined
        ? undefined
        : new RotatingFile({
          path: file,
          maxBytes,
          keep,
          maxQueuedBytes,
          continuation: (after, isTorn) => this.#chain.continuation(after, isTorn),
          onTurn: code => {
            this.#turn(code)
          }
        })
    this.#timer = setInterval(() => {
      this.#tellHead()
    }, headIntervalMs).unref()
  }

  /** Rejects with an `AuditFileError` where the file cannot be used. */
  static async open (options: AuditOptions, log: AuditLogger): Promise<AuditLog> {
    const audit = new AuditLog(options, log)
    try {
      const tail = await audit.#file?.begin()
      audit.#append({ kind: 'audit-opened', outcome: 'allowed', at: Date.now(), about: aboutOf(tail) })
      return audit
    } catch (error) {
      clearInterval(audit.#timer)
      throw new AuditFileError(`The audit file cannot be used (${codeOf(error)})`, { cause: error })
    }
  }

  get head (): Head {
    return this.#chain.head
  }

  /** Records that were dropped since the start. */
  get dropped (): number {
    return this.#droppedInAll
  }

  /** Bytes that wait for a disk. */
  get queuedBytes (): number {
    return this.#file?.queuedBytes ?? 0
  }

  /** True while records are not written, or are lost. */
  get isDegraded (): boolean {
    return this.#file?.isFailing === true || this.#dropped > 0
  }

  note (decision: Decision): void {
    if (ignored.has(decision.kind)) return
    if (!this.#hasRoom()) {
      this.#dropped += 1
      this.#droppedInAll += 1
      return
    }
    this.#tellDropped()
    this.#append(decision)
  }

  /** Writes what waits, for two seconds at most. */
  async close (): Promise<void> {
    clearInterval(this.#timer)
    this.#tellDropped()
    this.#append({ kind: 'audit-closed', outcome: 'allowed', at: Date.now() })
    await this.#file?.close(closeMs)
    this.#tellHead()
  }

  #hasRoom (): boolean {
    return this.#file === undefined ? this.#stream?.hasRoom?.() !== false : this.#file.hasRoom()
  }

  #append (decision: Decision): void {
    const sealed = this.#chain.seal(link => this.#records.textOf(decision, link))
    this.#file?.add(sealed)
    this.#say(sealed)
  }

  #say ({ line }: Sealed): void {
    try {
      this.#stream?.write(line)
    } catch {
      // A stream that is gone ends nothing; the chain shows what is missing.
    }
  }

  /** What was lost is itself on record, as soon as there is room. */
  #tellDropped (): void {
    if (this.#dropped === 0 || !this.#hasRoom()) return
    const about = { count: this.#dropped }
    this.#dropped = 0
    this.#append({ kind: 'audit-dropped', outcome: 'failed', at: Date.now(), about })
  }

  #turn (code: string | undefined): void {
    if (code !== undefined) {
      this.#log.error(
        { code },
        'The audit file cannot be written: records wait in memory, and are dropped if it is full.'
      )
      return
    }
    this.#log.info({ dropped: this.#droppedInAll }, 'The audit file can be written again.')
    this.#tellDropped()
  }

  /** In another place than the file: a chain alone does not show that its end was cut off. */
  #tellHead (): void {
    const { head } = this.#chain
    if (head.seq === this.#told) return
    this.#told = head.seq
    this.#log.info({ audit: head }, 'audit head')
  }
}

/** Where this chain goes on from another: the last record that was there. */
function aboutOf (tail: Tail | undefined): Readonly<Record<string, unknown>> | undefined {
  if (tail === undefined) return undefined
  return { after: headIn(tail.text), torn: tail.isTorn ? true : undefined }
}

function headIn (text: string | undefined): Head | undefined {
  try {
    const { boot, seq, hash } = JSON.parse(text ?? 'null') as Record<string, unknown>
    return typeof boot === 'string' && typeof seq === 'number' && typeof hash === 'string'
      ? { boot, seq, hash }
      : undefined
  } catch {
    return undefined
  }
}
