/** Reads lines from a process and limits their length. */
import type { Readable } from 'node:stream'

const lineFeed = 10
/** How many bytes of both ends of a long line are kept. */
const endBytes = 256

/** Reads lines of at most `maxBytes`. For a longer line, `take` gets only both ends, and `isCut` is true. */
export class LineReader {
  readonly #maxBytes: number
  readonly #take: (text: string, isCut: boolean) => void
  #parts: Buffer[] = []
  #bytes = 0
  #head: Buffer | undefined

  constructor (maxBytes: number, take: (text: string, isCut: boolean) => void) {
    this.#maxBytes = maxBytes
    this.#take = take
  }

  read (chunk: Buffer): void {
    let from = 0
    for (let at = chunk.indexOf(lineFeed); at !== -1; at = chunk.indexOf(lineFeed, from)) {
      this.#keep(chunk.subarray(from, at))
      this.#finish()
      from = at + 1
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from))
  }

  #keep (part: Buffer): void {
    this.#bytes += part.length
    this.#parts.push(part)
    if (this.#bytes <= this.#maxBytes) return
    const all = Buffer.concat(this.#parts)
    this.#head ??= Buffer.from(all.subarray(0, endBytes))
    this.#parts = [Buffer.from(all.subarray(-endBytes))]
  }

  #finish (): void {
    const [parts, head] = [this.#parts, this.#head]
    this.#parts = []
    this.#bytes = 0
    this.#head = undefined
    const text = (parts.length === 1 ? parts[0] : Buffer.concat(parts))?.toString() ?? ''
    this.#take(head === undefined ? text : `${head.toString()}…${text}`, head !== undefined)
  }
}

/** More than the log shows: a secret at the end of what is shown must be whole to be redacted. */
const maxLineLength = 4096

/** Calls `tell` for each line that is not empty, with at most its first 4,096 bytes. */
export function readLines (stream: Readable, tell: (line: string) => void): void {
  let rest = Buffer.alloc(0)
  let isSkipping = false
  const say = (line: Buffer): void => {
    const text = line.subarray(0, maxLineLength).toString().trimEnd()
    if (text !== '') tell(text)
  }
  stream.on('data', (chunk: Buffer) => {
    let from = 0
    for (let at = chunk.indexOf(lineFeed); at !== -1; at = chunk.indexOf(lineFeed, from)) {
      if (!isSkipping) say(Buffer.concat([rest, chunk.subarray(from, at)]))
      isSkipping = false
      rest = Buffer.alloc(0)
      from = at + 1
    }
    if (isSkipping) return
    rest = Buffer.concat([rest, chunk.subarray(from)])
    if (rest.length <= maxLineLength) return
    say(rest)
    isSkipping = true
    rest = Buffer.alloc(0)
  })
}
