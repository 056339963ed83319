/** Basic setting types: text in, value out, with a JSON Schema of the value. */
import { longestTimerMs } from '../../lib/timers.js'
import { parseLifetime } from '../../tokens/lifetime.js'

/**
 * Reports what is wrong with a text and how to fix it. Neither may repeat the text: a misplaced secret must
 * not reach a terminal or a log.
 */
export type Report = (wrong: string, right: string) => void

export interface SettingType<T> {
  /** Parses a trimmed, non-empty text. After a report, the value must not be used. */
  readonly parse: (text: string, report: Report) => T
  /** The value if the setting has neither a text nor a default. */
  readonly unset: T
  /** The JSON Schema of the value, without keywords that would set defaults or convert. */
  readonly schema: Readonly<Record<string, unknown>>
}

export const LONGEST_MS = longestTimerMs
/** A body becomes a single string, and V8's longest string is just under 512 MB. */
const LARGEST_BODY_BYTES = 268_435_456

const DIGITS = /^\d+$/

/** A whole number from `min` to `max`, decimal digits only. */
export function integer (min: number, max: number): SettingType<number> {
  const right = `use a whole number from ${min} to ${max}`
  return {
    parse (text, report) {
      if (/^-\d+(\.\d+)?$/.test(text)) report('is negative', right)
      else if (!DIGITS.test(text)) report('is not a whole number', right)
      else if (Number(text) < min) {
        report(Number(text) === 0 ? 'is zero, which has no meaning here' : 'is too small', right)
      } else if (Number(text) > max) report('is too large', right)
      return Number(text)
    },
    unset: min,
    schema: { type: 'integer', minimum: min, maximum: max }
  }
}

const BYTE_UNITS: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1_048_576 }

/** A size in bytes, written `1048576`, `512kb` or `1mb` (kb = 1,024 bytes, mb = 1,048,576). */
export function bytes (): SettingType<number> {
  const right = 'use a size from 1 to 256mb, such as 512kb, 1mb or 65536 (bytes)'
  return {
    parse (text, report) {
      const [, digits = '', unit = 'b'] = /^(\d+) ?(b|kb|mb)?$/i.exec(text) ?? []
      const size = digits === '' ? NaN : Number(digits) * (BYTE_UNITS[unit.toLowerCase()] ?? NaN)
      if (Number.isNaN(size)) report('is not a size', right)
      else if (size === 0) report('is zero, which has no meaning here', right)
      else if (size > LARGEST_BODY_BYTES) report('is too large', right)
      return size
    },
    unset: LARGEST_BODY_BYTES,
    schema: { type: 'integer', minimum: 1, maximum: LARGEST_BODY_BYTES }
  }
}

const LONGEST_TTL_SECONDS = 3650 * 86_400

/** A duration in seconds, written as `parseLifetime` reads it: `3600`, `90s`, `15m`, `1h` or `30d`. */
export function duration (): SettingType<number> {
  return {
    parse (text, report) {
      try {
        return parseLifetime(text)
      } catch {
        const wrong = /^0+[smhd]?$/.test(text) ? 'is zero, which has no meaning here' : 'is not a duration, or too long'
        report(wrong, 'use a duration such as 3600 (seconds), 15m, 12h or 30d, at most 3650d')
        return LONGEST_TTL_SECONDS
      }
    },
    unset: LONGEST_TTL_SECONDS,
    schema: { type: 'integer', minimum: 1, maximum: LONGEST_TTL_SECONDS }
  }
}

/** One of a few words, listed in lower case. The first is used if there is no default. */
export function oneOf<const W extends string> (first: W, ...others: W[]): SettingType<W> {
  const words: readonly W[] = [first, ...others]
  return {
    parse (text, report) {
      const word = words.find(candidate => candidate === text)
      if (word === undefined) report('is not an allowed value', `use one of ${words.join(', ')}`)
      return word ?? first
    },
    unset: first,
    schema: { type: 'string', enum: words }
  }
}

/** A text that `parse` validates and may normalize. */
export function text (parse: SettingType<string>['parse']): SettingType<string> {
  return { parse, unset: '', schema: { type: 'string', minLength: 1 } }
}

/** The path of a file, relative to the working directory. The start checks whether it can be read. */
export function filePath (): SettingType<string> {
  return text((path, report) => {
    if (/\p{Cc}/u.test(path)) report('contains a line break or another control character', 'write the path on one line')
    return path
  })
}

/** The same type, or `undefined` if nothing is set. */
export function optional<T> (kind: SettingType<T>): SettingType<T | undefined> {
  return { ...kind, unset: undefined }
}

/**
 * Comma-separated entries, each trimmed; empty entries are ignored. A report names an entry by its position
 * among the non-empty entries, counted from 1.
 */
export function list<T extends string> (entry: SettingType<T>): SettingType<readonly T[]> {
  return {
    parse (text, report) {
      const texts = splitList(text)
      return texts.map((one, index) => entry.parse(one, (wrong, right) => {
        report(texts.length === 1 ? wrong : `entry ${index + 1} ${wrong}`, right)
      }))
    },
    unset: [],
    schema: { type: 'array', items: entry.schema }
  }
}

export function splitList (text: string): readonly string[] {
  return text.split(',').map(entry => entry.trim()).filter(entry => entry !== '')
}
