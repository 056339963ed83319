/**
 * The audit log: writes each decision as a record of a hash chain, to a file or to standard output. It never
 * blocks and never throws.
 */
import { codeOf } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { createRedactor } from '../../log/redact.js'
import type { Decision, DecisionKind, Observer } from '../decision.js'
import { Gathered } from '../gathered.js'
import { Chain, createDigest, type Head, type Sealed } from './chain.js'
import { RecordWriter } from './record.js'
import { RotatingFile, type FileEnd } from './rotating-file.js'

export interface AuditOptions {
  /** The file that records are appended to. Its directory must exist. Default: no file. */
  readonly file?: string | undefined
  /**
   * An additional output for records, one per line. While `hasRoom` is false and there is no file, records
   * are dropped and counted. Default: no output.
   */
  readonly stream?: { write: (line: string) => void, hasRoom?: () => boolean } | undefined
  /**
   * The key of an HMAC, at least 32 characters. Only with the key can a valid chain be forged. Default: plain
   * SHA-256.
   */
  readonly key?: string | undefined
  /** The size in bytes at which the file is rotated. Default 64 MiB. It is also rotated daily (UTC). */
  readonly maxBytes?: number | undefined
  /** How many rotated files are kept. Default 30. */
  readonly keep?: number | undefined
  /** Configured credentials. They are redacted wherever they appear. */
  readonly secrets?: readonly string[] | undefined
  /** Bytes that may wait for the disk. Further records are dropped and counted. Default 8 MiB. */
  readonly maxQueuedBytes?: number | undefined
}

/** The audit file cannot be used, for a reason that the operator can fix. */
export class AuditFileError extends OperatorError {
  override readonly name = 'AuditFileError'
}

export interface AuditLogger {
  readonly info: (fields: object, message: string) => void
  readonly error: (fields: object, message: string) => void
}

const headIntervalMs = 60_000
const closeMs = 2000
/** Kinds that are not recorded, because they decide nothing about a caller. */
const ignored: ReadonlySet<DecisionKind> = new Set(['served'])

export class AuditLog implements Observer {
  readonly #log: AuditLogger
  readonly #chain: Chain
  readonly #records: RecordWriter
  readonly #stream: AuditOptions['stream']
  readonly #file: RotatingFile | undefined
  readonly #timer: NodeJS.Timeout
  readonly #gathered = new Gathered(
    decision => { this.#record(decision) },
    error => { this.#log.error({ err: error }, 'The audit failed to record a decision; logged once.') }
  )

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
          },
          onRotationTurn: code => {
            this.#turnRotation(code)
          }
        })
    this.#timer = setInterval(() => {
      this.#tellHead()
    }, headIntervalMs).unref()
  }

  /** Rejects with an `AuditFileError` if the file cannot be used. */
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

  /** The last record. */
  get head (): Head {
    this.#gathered.flush()
    return this.#chain.head
  }

  /** Records dropped since the start. */
  get dropped (): number {
    return this.#droppedInAll
  }

  /** Bytes that wait for the disk. */
  get queuedBytes (): number {
    this.#gathered.flush()
    return this.#file?.queuedBytes ?? 0
  }

  /** True while records cannot be written or are dropped, or the file cannot be rotated. */
  get isDegraded (): boolean {
    return this.#file?.isFailing === true || this.#dropped > 0
  }

  note (decision: Decision): void {
    if (ignored.has(decision.kind)) return
    // Standard output alone has each record as soon as its log line.
    if (this.#file === undefined) this.#record(decision)
    else this.#gathered.add(decision)
  }

  #record (decision: Decision): void {
    if (!this.#hasRoom()) {
      this.#dropped += 1
      this.#droppedInAll += 1
      return
    }
    this.#tellDropped()
    this.#append(decision)
  }

  /** Writes the pending records, for at most two seconds. */
  async close (): Promise<void> {
    clearInterval(this.#timer)
    this.#gathered.flush()
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
      // A failed output stream must not end anything. The chain shows which records are missing.
    }
  }

  /** Records the number of dropped records as soon as there is room. */
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

  #turnRotation (code: string | undefined): void {
    if (code === undefined) this.#log.info({}, 'The audit file can be rotated again.')
    else {
      this.#log.error(
        { code },
        'The audit file cannot be rotated and grows: the server must be able to write to its directory.'
      )
    }
  }

  /** Logs the head of the chain outside the file: a chain alone does not show that its end was cut off. */
  #tellHead (): void {
    const { head } = this.#chain
    if (head.seq === this.#told) return
    this.#told = head.seq
    this.#log.info({ audit: head }, 'audit head')
  }
}

/** The last record of the previous process, which this chain continues. */
function aboutOf (tail: FileEnd | undefined): Readonly<Record<string, unknown>> | undefined {
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
