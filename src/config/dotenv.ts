/** Reads a `.env` file in Node's own syntax, so that `node --env-file` has the same result. */
import { readFileSync, statSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { withoutBom } from '../lib/without-bom.js'

export interface DotenvFile {
  readonly values: Readonly<Record<string, string | undefined>>
  /** The problems that make the file unusable. They repeat nothing of its content. */
  readonly faults: ReadonlyArray<{ wrong: string, right: string }>
  /** True if every user of the machine can read or write it. */
  readonly isPublic?: boolean
  /** Names that are set more than once. The last value applies. */
  readonly repeated?: readonly string[]
}

/**
 * Matches an empty line, a comment, or NAME=value, whose quotes may span lines. Only a comment may follow a
 * closing quote. Otherwise the quote of a later setting could close one that was left open, and everything
 * between them would be silently lost.
 */
const NAME = /[ \t]*(?:export[ \t]+)?[A-Za-z_][\w.-]*[ \t]*=/.source
const VALUE = /[ \t]*(?:"[^"]*"|'[^']*'|`[^`]*`)[ \t]*(?:#[^\n]*)?|(?![ \t]*["'`])[^\n]*/.source
const STATEMENT = new RegExp(`(?:[ \\t]*#[^\\n]*|${NAME}(?:${VALUE})|[ \\t]*)(?:\\n|$)`, 'y')
const QUOTED = new RegExp(`^${NAME}[ \\t]*["'\`]`)

/** The variables of the file. A missing file has none, and is not a fault. */
export function readDotenv (path: string): DotenvFile {
  try {
    return { ...parseDotenv(readFileSync(path, 'utf8')), isPublic: isPublic(path) }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return { values: {}, faults: [] }
    return {
      values: {},
      faults: [
        {
          wrong: `cannot be read (${code ?? 'unknown error'})`,
          right: 'make it readable for this user, or remove it'
        }
      ]
    }
  }
}

function isPublic (path: string): boolean {
  // Windows has no such mode bits.
  return process.geteuid !== undefined && (statSync(path).mode & 0o006) !== 0
}

/** The variables of a `.env` text. None if one of its lines is invalid. */
export function parseDotenv (text: string): DotenvFile {
  // A byte order mark would become part of the first name.
  const { statements, strayLines } = split(withoutBom(text).replaceAll('\r\n', '\n'))
  if (strayLines.length === 0) {
    return { values: parseEnv(statements.join('\n')), faults: [], repeated: repeatedNames(statements) }
  }
  return { values: {}, faults: strayLines.map(fault) }
}

function repeatedNames (statements: readonly string[]): string[] {
  const names = statements.map(statement => /^(?:export[ \t]+)?([\w.-]+)/.exec(statement)?.[1] ?? '')
  return [...new Set(names.filter((name, at) => names.indexOf(name) < at))]
}

function fault ({ number, isQuoted }: StrayLine): DotenvFile['faults'][number] {
  if (isQuoted) {
    return {
      wrong: `has an unclosed quote, or text after a closing quote (line ${number})`,
      right:
        'put the same quote before and after the value, followed by nothing but a comment'
    }
  }
  return {
    wrong: `has a line that is not NAME=value (line ${number})`,
    right: 'write NAME=value, or # before a comment'
  }
}

/** `number` counts from 1. */
interface StrayLine { readonly number: number, readonly isQuoted: boolean }

/**
 * Splits the text into assignments and stray lines, which start neither an assignment nor a comment. Node 20
 * joins a stray line, or one of spaces, with the next line to a single name, so that a variable is silently
 * lost.
 */
function split (content: string): { statements: string[], strayLines: StrayLine[] } {
  const statements: string[] = []
  const strayLines: StrayLine[] = []
  let at = 0
  while (at < content.length) {
    STATEMENT.lastIndex = at
    const [statement] = STATEMENT.exec(content) ?? []
    if (statement === undefined) {
      strayLines.push({
        number: content.slice(0, at).split('\n').length,
        isQuoted: QUOTED.test(content.slice(at))
      })
    } else if (/^\s*[^\s#]/.test(statement)) statements.push(statement.trim())
    const lineEnd = content.indexOf('\n', at)
    const nextLine = lineEnd === -1 ? content.length : lineEnd + 1
    at = statement === undefined ? nextLine : at + statement.length
  }
  return { statements, strayLines }
}
